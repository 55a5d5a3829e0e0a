"""``key=value`` changes to a recipe, as given with ``--set``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.problems import Problem, shown
from gradmask.lab.recipe.yamls import parse_yaml


def override(data: dict[str, Any], changes: Sequence[str]) -> list[Problem]:
    """Apply ``a.b.c=value`` changes in place; values are read as YAML. Returns a problem for each that cannot be applied."""
    return [problem for change in changes if (problem := _apply(data, change)) is not None]


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
