"""Saying what is wrong with a recipe: every problem at once, each on one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gradmask.errors import GradmaskError, did_you_mean


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where (dotted path), and what was given and needed there."""

    path: str
    text: str


class RecipeError(GradmaskError):
    """A recipe that cannot be run; ``problems`` holds everything that is wrong with it."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda problem: problem.path)
        count = len(self.problems)
        width = min(32, max(len(problem.path) for problem in self.problems))
        lines = [f"  {problem.path:<{width}}  {problem.text}" for problem in self.problems]
        super().__init__("\n".join([f"{source} has {count} problem{'s' * (count != 1)}:", *lines]))


def from_validation(error: ValidationError, given: Any, model: type[BaseModel], prefix: str = "") -> list[Problem]:
    """Pydantic's findings in our words; alternatives of one union become one problem."""
    needs: dict[tuple[str, str], list[str]] = {}
    for detail in error.errors():
        keys = _data_path(detail, given)
        path = ".".join([*([prefix] if prefix else []), *map(str, keys)])
        given_text, need = _describe(detail, keys, model)
        needs.setdefault((path, given_text), []).append(need)
    return [
        Problem(path or "recipe", given_text + " or ".join(dict.fromkeys(found)).replace(" or needed: ", " or "))
        for (path, given_text), found in needs.items()
    ]


def shown(value: Any) -> str:
    """A value as it may stand in one line of a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _data_path(detail: ErrorDetails, given: Any) -> list[str | int]:
    """The part of an error's location that is a path in the data; names of union branches are left out."""
    keys: list[str | int] = []
    here = given
    for key in detail["loc"]:
        if isinstance(here, Mapping) and (key in here or (detail["type"] == "missing" and key == detail["loc"][-1])):
            keys.append(key)
            here = here.get(key)
        elif isinstance(here, Sequence) and not isinstance(here, str) and isinstance(key, int) and key < len(here):
            keys.append(key)
            here = here[key]
    return keys


def _describe(detail: ErrorDetails, keys: Sequence[str | int], model: type[BaseModel]) -> tuple[str, str]:
    kind, message = detail["type"], detail["msg"]
    if kind == "missing":
        return "", "missing, but needed"
    if kind == "extra_forbidden":
        known = _fields_at(model, keys[:-1])
        return "", f"unknown key.{did_you_mean(str(keys[-1]), known)} Known: {', '.join(sorted(known))}"
    if kind in ("value_error", "assertion_error"):
        return f"given {shown(detail['input'])}, ", str(detail["ctx"]["error"]).removeprefix("needed: ")
    message = {"model_type": "a mapping of fields"}.get(kind, message)
    need = message.removeprefix("Input should be ").removeprefix("Input should ")
    hint = ""
    if kind == "literal_error" and isinstance(detail["input"], str):
        hint = did_you_mean(
            detail["input"], detail["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        )
    return f"given {shown(detail['input'])}, ", f"needed: {need}.{hint}" if hint else f"needed: {need}"


def _fields_at(model: type[BaseModel], keys: Sequence[str | int]) -> set[str]:
    """The keys that may stand at a path."""
    models = [model]
    for key in keys:
        inside = [
            annotation for m in models if key in m.model_fields for annotation in [m.model_fields[str(key)].annotation]
        ]
        if inside:
            models = [m for annotation in inside for m in _models_in(annotation)]
    return {name for m in models for name in m.model_fields}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _models_in(argument)]
