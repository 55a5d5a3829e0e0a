"""What a recipe leaves to the rules: keys that it does not have, and those whose value is ``auto``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

AUTO = "auto"
GROUP = {"heads": 1 / 32, "neurons": 1 / 16, "embeddings": False}
"""Fields of a group that may be ``auto``, with what stands in for each until it is chosen."""
PARTITION: dict[str, Any] = {
    "rehearsal": 0.1,
    "rehearsal_target": "next_token",
    "distinctive_words": None,
    "self_labeling": True,
}
TRAIN: dict[str, Any] = {"consolidation": None, "group_learning_rates": {}}
INSIDE = {
    ("partition", "self_labeling"): ("after",),
    ("train", "consolidation"): ("steps", "replaces", "learning_rate", "fit_strength", "distillation", "group_share"),
}
"""Fields of settings that may be ``auto`` while the rest is given; their own defaults stand in."""


def without_auto(given: Mapping[str, Any], groups: Sequence[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A recipe as plain data without what is left to the rules, and the dotted paths of that.

    Args:
        given: a recipe as plain data; sections that are no mappings are left for validation to refuse.
        groups: the removable groups that its labels name; empty where they are not known.
    """
    parts, auto = dict(given), []
    for section, defaults in (("partition", PARTITION), ("train", TRAIN)):
        part = given.get(section, AUTO if section == "partition" else None)
        if section == "partition" and part == AUTO:
            part = {}
        if not isinstance(part, Mapping):
            continue
        parts[section] = dict(part)
        auto += _missing(parts[section], section, defaults)
        if section == "partition":
            auto += _groups(parts[section], groups)
    return parts, tuple(auto)


def _missing(part: dict[str, Any], section: str, defaults: Mapping[str, Any]) -> list[str]:
    auto = []
    for key, default in defaults.items():
        if part.get(key, AUTO) == AUTO:
            part[key] = default
            auto.append(f"{section}.{key}")
        elif (section, key) in INSIDE:
            auto += _inside(part, section, key)
    return auto


def _inside(part: dict[str, Any], section: str, key: str) -> list[str]:
    """The paths of fields that are left out of settings, such as those of ``consolidation: true``."""
    settings = {} if part[key] is True else part[key]
    if not isinstance(settings, Mapping):
        return []
    fields = [field for field in INSIDE[section, key] if settings.get(field, AUTO) == AUTO]
    part[key] = {field: value for field, value in settings.items() if field not in fields}
    return [f"{section}.{key}.{field}" for field in fields]


def _groups(part: dict[str, Any], names: Sequence[str]) -> list[str]:
    groups = part.get("groups", AUTO)
    if groups == AUTO:
        part.pop("groups", None)
        groups = dict.fromkeys(names, AUTO)
    if not isinstance(groups, Mapping) or not groups:
        return []
    part["groups"] = {name: _stand_in(group) for name, group in groups.items()}
    return [path for name, group in groups.items() for path in _group_paths(name, group)]


def _stand_in(group: Any) -> Any:
    if group == AUTO:
        return {"heads": GROUP["heads"], "neurons": GROUP["neurons"]}
    if not isinstance(group, Mapping):
        return group
    return {key: GROUP[key] if key in GROUP and value == AUTO else value for key, value in group.items()}


def _group_paths(name: str, group: Any) -> list[str]:
    path = f"partition.groups.{name}"
    if group == AUTO:
        return [path]
    return [f"{path}.{key}" for key in GROUP if isinstance(group, Mapping) and group.get(key) == AUTO]
