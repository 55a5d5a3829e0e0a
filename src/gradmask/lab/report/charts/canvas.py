"""Where a figure is shown, what each kind of figure can do, and the look that all share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gradmask.lab.report.style import INK, LINE, PAPER, SOFT, Style

Spec = dict[str, Any]
"""A chart, or a part of one, in the language of Vega-Lite (version 6)."""
MARK = "\u2063"
"""Stands in a mark's description between its series and its words; see `gradmask.lab.report.charts.svg`."""
SHAPES = {"o": "circle", "s": "square", "^": "triangle-up", "v": "triangle-down", "D": "diamond", "P": "cross"}
_AXIS = {"labelColor": SOFT, "titleColor": SOFT, "gridColor": LINE, "domain": False, "ticks": False, "labelPadding": 5}
FONT = "Arial, Liberation Sans, Helvetica, sans-serif"
"""Of one width on every system, so that what fits where it is drawn fits where it is read."""
CONFIG = {
    "background": PAPER,
    "font": FONT,
    "view": {"stroke": None},
    "axis": {**_AXIS, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelOverlap": True},
    "title": {"anchor": "start", "frame": "bounds", "fontSize": 13, "color": INK, "offset": 6},
    "text": {"color": INK, "fontSize": 12},
    "legend": {"labelFontSize": 12, "labelColor": INK},
    "concat": {"spacing": 18},
}


@dataclass(frozen=True)
class Canvas:
    """A width in CSS pixels. ``narrow``: a phone, where panels lie below each other and names stand beside the figure."""

    width: int
    narrow: bool = False


WIDE, NARROW = Canvas(860), Canvas(344, narrow=True)


class Drawing(Protocol):
    """A figure with its numbers.

    Args:
        legend: which screens need a list of what is drawn how: ``narrow`` ones, ``all``, or none (empty).
    """

    @property
    def legend(self) -> str: ...

    def chart(self, canvas: Canvas) -> Spec:
        """For a screen of this width."""
        ...

    def words(self) -> str:
        """The same in words and numbers."""
        ...

    def looks(self) -> Mapping[str, Style]:
        """Series -> how it is drawn, in the order of the figure."""
        ...


def described(series: str, words: str = "") -> str:
    """What a mark is told to be: of which series, and what is read at it."""
    return f"{slug(series)}{MARK}{words}"


def slug(series: str) -> str:
    """A series' name for CSS and HTML."""
    return re.sub(r"[^a-z0-9]+", "-", series.lower()).strip("-")


def layer(rows: Iterable[Spec], mark: str | Spec, **encoding: Spec) -> Spec:
    """Marks for these rows; they are told what they are by their field ``told``."""
    told = {"description": {"field": "told"}}
    return {"data": {"values": list(rows)}, "mark": mark, "encoding": {**encoding, **told}}


def field(name: str, kind: str = "quantitative", **more: Any) -> Spec:
    """A channel that takes its values from a field."""
    return {"field": name, "type": kind, **more}


def as_is(name: str) -> Spec:
    """A channel whose field says the colour, shape or size itself."""
    return {"field": name, "type": "nominal", "scale": None, "legend": None}


def padded(values: Iterable[float], share: float, log: bool = False) -> list[float]:
    """The range of ``values``, wider by a share of it at both ends."""
    import math

    ends = [math.log(v) if log else v for v in values]
    low, high = min(ends), max(ends)
    room = ((high - low) or abs(high) or 1.0) * share
    return [math.exp(end) if log else end for end in (low - room, high + room)]


def label_width(names: Iterable[str], canvas: Canvas) -> int:
    """Pixels that names of rows take."""
    return min(int(max((len(name) for name in names), default=0) * 6.2) + 16, 126 if canvas.narrow else 190)


def stacked(panels: list[Spec], canvas: Canvas, columns: int) -> Spec:
    """Panels in as many columns as the screen has room for."""
    return {"concat": panels, "columns": 1 if canvas.narrow else columns, "config": CONFIG}
