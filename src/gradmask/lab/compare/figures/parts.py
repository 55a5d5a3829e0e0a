"""Helpers shared by the figures of a comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gradmask.lab.compare.results import Rival
from gradmask.lab.compare.statistics import Estimate
from gradmask.lab.report.style import Style, style_of


def key_of(rival: Rival) -> str:
    """The series whose style a rival has: an arm, or one of its models."""
    return f"{rival.arm}/{rival.view}" if rival.arm == "gradmask" else rival.arm


def look_of(rival: Rival) -> Style:
    """Its style, under its title."""
    return replace(style_of(key_of(rival)), name=rival.title)


def flat(name: str, value: Estimate | None) -> dict[str, Any]:
    """A mean and its interval as three columns."""
    if value is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}
