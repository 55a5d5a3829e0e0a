"""One look for all figures, and the names of things in them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.figure import Figure

COLORS = {  # Okabe and Ito's palette, distinguishable with colour-vision deficiency
    "gradmask/removed": "#0072B2",
    "gradmask/full": "#56B4E9",
    "no_filter": "#7F7F7F",
    "filter": "#E69F00",
    "perfect_filter": "#009E73",
}
NAMES = {
    "gradmask/removed": "gradmask, removed",
    "gradmask/full": "gradmask, full model",
    "no_filter": "no filter",
    "filter": "filter, same labels",
    "perfect_filter": "perfect filter",
}
_OTHERS = ("#CC79A7", "#D55E00", "#8C6BB1", "#4D4D4D")

_STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": "#333333",
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "legend.frameon": False,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "gradmask",
}


def color_of(series: str) -> str:
    """The colour of an arm (``no_filter``) or of one of its models (``gradmask/removed``)."""
    return COLORS.get(series) or _OTHERS[sum(map(ord, series)) % len(_OTHERS)]


def name_of(series: str) -> str:
    """How a series is called in a figure."""
    return NAMES.get(series, series.replace("_", " ").replace("/", ", "))


@contextmanager
def figure(width: float = 7.0, height: float = 4.2) -> Iterator[Figure]:
    """A figure in the common style, without any global state of Matplotlib's."""
    with matplotlib.rc_context(_STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def to_svg(drawn: Figure) -> str:
    """The figure as an ``<svg>`` element, the same bytes for the same data."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
