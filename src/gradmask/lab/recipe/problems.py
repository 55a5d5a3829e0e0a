"""The problems of a recipe: all of them in one error, one on a line, each with its position in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.recipe.needs import models_in, need_of, such_as


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        path: the dotted path of the value.
        text: what was given, and what is needed.
        position: ``file:line:column``, or ``--set`` for a value from the command line; empty where there is no file.
    """

    path: str
    text: str
    position: str = ""


class RecipeError(GradmaskError):
    """A recipe that cannot be run. ``problems`` lists everything that is wrong with it, sorted by path."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda problem: problem.path)
        count = len(self.problems)
        super().__init__("\n".join([f"{source} has {count} problem{'s' * (count != 1)}:", *_lines(self.problems)]))


def _lines(problems: Sequence[Problem]) -> list[str]:
    """Position, path and text in columns; no column of positions where there are none."""
    left = max(len(problem.position) for problem in problems)
    middle = min(32, max(len(problem.path) for problem in problems))
    positions = [f"{problem.position:<{left}}  " if left else "" for problem in problems]
    return [f"  {at}{problem.path:<{middle}}  {problem.text}" for at, problem in zip(positions, problems, strict=True)]


def from_validation(error: ValidationError, given: Any, model: type[BaseModel], prefix: str = "") -> list[Problem]:
    """Pydantic's errors as problems; the alternatives of one union become one problem.

    Args:
        error: of validating ``given`` as ``model``.
        given: plain data.
        model: names the known keys.
        prefix: a dotted path to put before every path.
    """
    needs: dict[tuple[str, str], list[str]] = {}
    places: dict[str, list[str | int]] = {}
    for detail in error.errors():
        keys = _data_path(detail, given)
        path = ".".join([*([prefix] if prefix else []), *map(str, keys)])
        places[path] = keys
        given_text, need = _describe(detail, keys, model)
        needs.setdefault((path, given_text), []).append(need)
    return [
        Problem(path or "recipe", _sentence(given_text, texts, such_as(texts, model, places[path])))
        for (path, given_text), texts in needs.items()
    ]


def _sentence(given: str, needs: Sequence[str], example: str) -> str:
    """What was given, and everything that it may be instead, each once."""
    *others, last = dict.fromkeys(need.removeprefix("needed: ") for need in needs)
    alternatives = f"{', '.join(others)} or {last}" if others else last
    return f"{given}needed: {alternatives}{example}" if given else f"{alternatives}{example}"


def shown(value: Any) -> str:
    """A value, shortened to fit one line of a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _data_path(detail: ErrorDetails, given: Any) -> list[str | int]:
    """The keys of an error's location that are in the data: Pydantic adds the names of union branches to them."""
    keys: list[str | int] = []
    value = given
    for key in detail["loc"]:
        if isinstance(value, Mapping) and (key in value or (detail["type"] == "missing" and key == detail["loc"][-1])):
            keys.append(key)
            value = value.get(key)
        elif isinstance(value, Sequence) and not isinstance(value, str) and isinstance(key, int) and key < len(value):
            keys.append(key)
            value = value[key]
    return keys


def _describe(detail: ErrorDetails, keys: Sequence[str | int], model: type[BaseModel]) -> tuple[str, str]:
    kind = detail["type"]
    if kind == "missing":
        return "", "missing, but needed"
    if kind == "extra_forbidden":
        known = _fields_at(model, keys[:-1])
        hint = _elsewhere(model, keys) or did_you_mean(str(keys[-1]), known)
        return "", f"unknown key.{hint} Known: {', '.join(sorted(known))}"
    if kind in ("value_error", "assertion_error"):
        return f"given {shown(detail['input'])}, ", str(detail["ctx"]["error"]).removeprefix("needed: ")
    need = need_of(detail)
    hint = did_you_mean(detail["input"], _words(need)) if isinstance(detail["input"], str) else ""
    return f"given {shown(detail['input'])}, ", f"{need}.{hint}" if hint else need


def _elsewhere(model: type[BaseModel], keys: Sequence[str | int]) -> str:
    """A hint at the section that has a key which was given without one, such as ``steps`` for ``train.steps``."""
    inside = [name for name in model.model_fields if len(keys) == 1 and keys[0] in _fields_at(model, [name])]
    return f" Did you mean '{inside[0]}.{keys[0]}'?" if inside else ""


def _words(need: str) -> list[str]:
    """The names in a need such as ``'a', 'b' or 'c'``."""
    return re.findall(r"'([^']*)'", need)


def _fields_at(model: type[BaseModel], keys: Sequence[str | int]) -> set[str]:
    """The keys that the model knows at a path."""
    models = [model]
    for key in keys:
        annotations = [m.model_fields[str(key)].annotation for m in models if key in m.model_fields]
        if annotations:
            models = [m for annotation in annotations for m in models_in(annotation)]
    return {name for m in models for name in m.model_fields}
