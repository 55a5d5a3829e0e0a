"""``key=value`` changes to a recipe, as given with ``--set``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.problems import Problem, shown
from gradmask.lab.recipe.yamls import parse_yaml

EITHER = (("train.steps", "train.epochs", "train.tokens"), ("model.config", "model.pretrained"))
"""Keys of which a recipe has exactly one: the one that is set takes the place of another."""
COUNTS = ("train.warmup", "partition.self_labeling.after")
"""Counts of steps within the steps of a run."""

logger = logging.getLogger(__name__)


def override(data: dict[str, Any], changes: Sequence[str]) -> list[Problem]:
    """Apply ``a.b.c=value`` changes in place; values are read as YAML. Returns a problem for each that cannot be applied.

    What the recipe says instead of a changed key goes (`EITHER`), and counts of steps that a shorter run has no room for become
    shorter with it (`COUNTS`).
    """
    steps = _value(data, "train.steps")
    problems = [problem for change in changes if (problem := _apply(data, change)) is not None]
    names = [change.partition("=")[0].strip() for change in changes]
    for keys in EITHER:
        if len(given := [key for key in keys if key in names]) == 1:
            for other in (key for key in keys if key not in given and not overridden(key, changes)):
                _drop(data, other)
    if "train.steps" in names:
        _fit(data, steps, changes)
    return problems


def _fit(data: dict[str, Any], before: Any, changes: Sequence[str]) -> None:
    """Counts of a recipe of ``before`` steps, in proportion where the warmup alone would be longer than the run."""
    after, warmup = _value(data, "train.steps"), _value(data, "train.warmup")
    if not (_is_count(before) and _is_count(after) and _is_count(warmup) and after < warmup):
        return
    for key in COUNTS:
        count = _value(data, key)
        if _is_count(count) and not overridden(key, changes):
            fitted = max(1, round(count * after / before))
            _apply(data, f"{key}={fitted}")
            logger.info("%s: %d of %d steps become %d of %d", key, count, before, fitted, after)


def _is_count(value: Any) -> bool:
    return type(value) in (int, float) and value >= 1


def _value(data: Any, path: str) -> Any:
    for key in path.split("."):
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _drop(data: dict[str, Any], path: str) -> None:
    section, _, key = path.partition(".")
    if isinstance(data.get(section), dict):
        data[section].pop(key, None)


def overridden(path: str, changes: Sequence[str]) -> bool:
    """Whether the value at a dotted path comes from one of the changes."""
    keys = [change.partition("=")[0].strip() for change in changes]
    return any(f"{path}.".startswith(f"{key}.") for key in keys)


def _apply(data: dict[str, Any], change: str) -> Problem | None:
    path, equals, text = change.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        return Problem(f"--set {change}", "needed: key=value with a dotted key, such as train.steps=100")
    try:
        value = parse_yaml(text, f"--set {path}")
    except GradmaskError as error:
        return Problem(path.strip(), str(error))
    target: Any = data
    for i, key in enumerate(keys[:-1]):
        if isinstance(target, dict) and target.get(key) is None:
            target[key] = {}
        child = _child(target, key)
        if not isinstance(child, (dict, list)):
            return Problem(path, f"--set cannot go into {'.'.join(keys[: i + 1])}, which is {shown(child)}")
        target = child
    return _put(target, keys[-1], value, path)


def _child(target: Any, key: str) -> Any:
    if isinstance(target, list):
        return target[int(key)] if key.isdecimal() and int(key) < len(target) else None
    return target[key]


def _put(target: Any, key: str, value: Any, path: str) -> Problem | None:
    if isinstance(target, list):
        if not (key.isdecimal() and int(key) < len(target)):
            return Problem(path, f"--set names item {key} of a list of {len(target)}")
        target[int(key)] = value
    else:
        target[key] = value
    return None
