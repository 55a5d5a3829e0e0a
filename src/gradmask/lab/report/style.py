"""One look for all figures and the page: colours that are told apart with colour-vision deficiency, light and dark."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Style:
    """How a series appears. ``variable`` is the page's name for the colour, ``light`` or ``dark`` by its theme."""

    name: str
    variable: str
    light: str
    dark: str
    marker: str = "o"


STYLES = {
    "no_filter": Style("no filter", "--no-filter", "#6f7682", "#a3abb8", "s"),
    "filter": Style("filter, same labels", "--filter", "#c26a00", "#f0a63c", "^"),
    "gradmask/full": Style("gradmask, full model", "--full", "#4a9fd8", "#8cc8f2", "o"),
    "gradmask/removed": Style("gradmask, removed", "--removed", "#0067a8", "#4fb0f0", "o"),
    "perfect_filter": Style("perfect filter", "--perfect", "#00805f", "#2fc39a", "D"),
}
"""Series that every run may have, in the order in which they are shown."""

OTHERS = tuple(
    (f"--other-{i}", *colors)
    for i, colors in enumerate(
        [("#a8457f", "#e08cbd"), ("#7a5cc0", "#b49cf0"), ("#b5402c", "#f08672"), ("#6b6b1f", "#c4c45a")]
    )
)
KNOWN = (
    *("npo", "gradient_difference", "rmu", "simnpo", "sgtm", "gram", "gradient_routing", "memorization_sinks"),
    *("filter_strict", "inexact", "task_vector", "gradient_ascent", "last_layers", "activation_masking", "sgtm_joint"),
)
"""Arms that share the other colours, in turn; those of one colour have different markers."""
MARKERS = "s^vP"
INK, SOFT, LINE, PAPER = "#1d2430", "#5c6675", "#e1e5ec", "#fefefe"
_VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    LINE: "--line",
    PAPER: "--paper",
    **{style.light: style.variable for style in STYLES.values()},
    **{light: variable for variable, light, _ in OTHERS},
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
    """The look of an arm (``no_filter``) or of one of its models (``gradmask/removed``); the same one every time."""
    if series in STYLES:
        return STYLES[series]
    arm = series.split("/")[0]
    number = KNOWN.index(arm) if arm in KNOWN else sum(map(ord, series)) % (len(OTHERS) * len(MARKERS))
    variable, light, dark = OTHERS[number % len(OTHERS)]
    return Style(series.replace("_", " ").replace("/", ", "), variable, light, dark, MARKERS[number // len(OTHERS)])


def color_of(series: str) -> str:
    """A series' colour in figures."""
    return style_of(series).light


def name_of(series: str) -> str:
    """What a series is called."""
    return style_of(series).name


def theme(dark: bool) -> dict[str, str]:
    """CSS variable -> colour of every series."""
    styles = {style.variable: style.dark if dark else style.light for style in STYLES.values()}
    return styles | {variable: colors[dark] for variable, *colors in OTHERS}


def short(name: str, longest: int = 26) -> str:
    """A name that fits into a figure."""
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
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # text stays text, any font may have it
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    return re.sub(r"\s*<metadata>.*?</metadata>", "", text[text.index("<svg") :], count=1, flags=re.DOTALL)


def inline(svg: str, name: str, title: str) -> str:
    """An ``<svg>`` element fit to stand in the page: its theme's colours and font, its own ids, named for screen readers."""
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda c: _themed(c[0]), svg)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"'DejaVu Sans',[^;\"]*", "var(--font, sans-serif)", svg)
    head = f'<svg role="img" aria-label="{title}"'
    return re.sub(r"<svg\b", head, re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2), count=1)


def _themed(color: str) -> str:
    return f"var({_VARIABLES[color]}, {color})" if color in _VARIABLES else color
