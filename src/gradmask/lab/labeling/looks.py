"""Colours and shortened text, the same in figures, tables and excerpts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gradmask.lab.report.style import PALETTE, Color, Style, short

GROUPS = ("rust", "violet", "rose", "olive", "sky")
MARKERS = "os^vP"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def color_of(label: str, groups: Sequence[str]) -> Color:
    """The colour of a group, of ``retain`` and of ``unlabeled``."""
    if label in groups:
        return PALETTE[GROUPS[list(groups).index(label) % len(GROUPS)]]
    return PALETTE["green" if label == "retain" else "grey"]


def style_of(label: str, groups: Sequence[str]) -> Style:
    """How a label is drawn; ``not`` a group is drawn as ``retain``."""
    color = color_of("retain" if label.startswith("not ") else label, groups)
    marker = MARKERS[list(groups).index(label) % len(MARKERS)] if label in groups else "o"
    return Style(short(label), **vars(color), marker=marker)


def excerpt(text: str, longest: int = 320) -> str:
    """The beginning of a text on one line, without control characters."""
    line = " ".join(CONTROL.sub(" ", text[: longest * 4]).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def count(number: float) -> str:
    """A number in three digits: ``812``, ``12.3 k``, ``3.1 M``."""
    if abs(number) < 9999.5:
        return f"{number:,.0f}"
    digits, _, power = f"{number:.2e}".partition("e")
    step = int(power) // 3
    return f"{float(digits) * 10 ** (int(power) - 3 * step):.3g} {' kMGTP'[min(step, 5)]}"


def interval(bounds: tuple[float, float]) -> str:
    """``0.86–0.97``."""
    return f"{bounds[0]:.2f}–{bounds[1]:.2f}"
