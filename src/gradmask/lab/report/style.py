"""One style for all figures and the page: fonts, and a palette, light and dark, from which the arms' colours are taken."""

from __future__ import annotations

from dataclasses import dataclass

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.arms import ARMS


@dataclass(frozen=True)
class Color:
    """A colour of the palette. ``variable`` is the page's name for it; the page takes ``light`` or ``dark`` by its theme."""

    variable: str
    light: str
    dark: str


PALETTE = {
    "grey": Color("--no-filter", "#6f7682", "#a3abb8"),
    "amber": Color("--filter", "#c26a00", "#f0a63c"),
    "sky": Color("--full", "#4a9fd8", "#8cc8f2"),
    "blue": Color("--removed", "#0067a8", "#4fb0f0"),
    "green": Color("--perfect", "#00805f", "#2fc39a"),
    "rose": Color("--other-0", "#a8457f", "#e08cbd"),
    "violet": Color("--other-1", "#7a5cc0", "#b49cf0"),
    "rust": Color("--other-2", "#b5402c", "#f08672"),
    "olive": Color("--other-3", "#6b6b1f", "#c4c45a"),
}
"""The colours that an arm can name; told apart with colour-vision deficiency."""
SHARED = ("rose", "violet", "rust", "olive")
"""Colours that several arms have, with different markers."""
MARKERS = "s^vP"
SHOWN_FIRST = ("no_filter", "filter", "gradmask/full", "gradmask/removed", "perfect_filter")
"""Series that every run may have, in the order in which they are shown."""


@dataclass(frozen=True)
class Style:
    """How a series is drawn: its name, the names and values of its colour (see `Color`), and its marker."""

    name: str
    variable: str
    light: str
    dark: str
    marker: str


def _style(series: str) -> Style:
    arm_name, _, view = series.partition("/")
    arm = ARMS.get(arm_name)
    code = sum(map(ord, series))
    color, marker = SHARED[code % len(SHARED)], MARKERS[code // len(SHARED) % len(MARKERS)]
    if arm is not None:
        color = (view == "full" and arm.full_color) or arm.color or color
        marker = arm.marker or marker
    if color not in PALETTE:
        raise GradmaskError(f"the arm {arm_name!r} has the color {color!r}, needed: one of {', '.join(PALETTE)}")
    name = series.replace("_", " ").replace("/", ", ")
    if arm is not None and series in SHOWN_FIRST:
        name = arm.title + {"full": ", full model", "removed": ", removed"}.get(view, "")
    return Style(name, **vars(PALETTE[color]), marker=marker)


STYLES = {series: _style(series) for series in SHOWN_FIRST}
"""The styles of `SHOWN_FIRST`, in that order."""

INK, SOFT, LINE, PAPER = "#1d2430", "#5c6675", "#e1e5ec", "#fefefe"
VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    LINE: "--line",
    PAPER: "--paper",
    **{color.light: color.variable for color in PALETTE.values()},
}
"""Colour of a figure -> the page's name for it."""


def style_of(series: str) -> Style:
    """The style of an arm (``no_filter``) or of one of its models (``gradmask/removed``).

    A series without a colour or a marker of its own always gets the same one, which follows from its name.

    Raises:
        GradmaskError: the arm's colour is not in `PALETTE`.
    """
    return STYLES.get(series) or _style(series)


def color_of(series: str) -> str:
    """A series' colour in figures."""
    return style_of(series).light


def name_of(series: str) -> str:
    """A series' name in figures and tables."""
    return style_of(series).name


def theme(dark: bool) -> dict[str, str]:
    """CSS variable -> colour."""
    return {color.variable: color.dark if dark else color.light for color in PALETTE.values()}


def short(name: str, longest: int = 26) -> str:
    """A name shortened to fit into a figure."""
    name = " ".join(name.split())
    return name if len(name) <= longest else name[: longest - 1] + "…"
