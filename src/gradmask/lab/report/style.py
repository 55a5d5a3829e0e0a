"""One style for all figures and the page: fonts, and a palette, light and dark, from which the arms' colours are taken."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib
from matplotlib.figure import Figure

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
_VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    LINE: "--line",
    PAPER: "--paper",
    **{color.light: color.variable for color in PALETTE.values()},
}

_STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": SOFT,
    "axes.facecolor": "none",
    "axes.labelcolor": SOFT,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.titlepad": 10,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "ytick.major.size": 0,
    "figure.facecolor": PAPER,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "svg.fonttype": "none",
    "svg.hashsalt": "gradmask",
}


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


@contextmanager
def figure(width: float = 8.6, height: float = 4.2) -> Iterator[Figure]:
    """A figure in the common style, without any global state of Matplotlib's."""
    with matplotlib.rc_context(_STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def to_svg(drawn: Figure) -> str:
    """The figure as an ``<svg>`` element, the same bytes for the same data."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # Text stays text in the SVG, so the font of whoever reads it may have the glyph.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    return re.sub(r"\s*<metadata>.*?</metadata>", "", text[text.index("<svg") :], count=1, flags=re.DOTALL)


def inline(svg: str, name: str, title: str) -> str:
    """An ``<svg>`` element for the page: with the colours and font of its theme, unique ids, and a label for screen readers."""
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda c: _themed(c[0]), svg)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"'DejaVu Sans',[^;\"]*", "var(--font, sans-serif)", svg)
    head = f'<svg role="img" aria-label="{title}"'
    return re.sub(r"<svg\b", head, re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2), count=1)


def _themed(color: str) -> str:
    return f"var({_VARIABLES[color]}, {color})" if color in _VARIABLES else color
