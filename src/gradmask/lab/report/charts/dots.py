"""Rows of dots or bars with their values: one row per model, one panel per role or domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradmask.lab.report.charts.canvas import (
    SHAPES,
    Canvas,
    Spec,
    as_is,
    described,
    field,
    label_width,
    layer,
    padded,
    stacked,
)
from gradmask.lab.report.style import INK, PAPER, SOFT, Style

ROW, TIGHT, CLOSE = 28, 23, 11
"""Pixels of a row, of a row without an axis, and of a series within a row that several share."""
NUMBER = 52
"""Pixels beside a dot that its number takes."""


@dataclass(frozen=True)
class Dot:
    """One value.

    Args:
        text: the number as it stands beside the dot.
        low, high: its interval.
        drawn: where it is drawn, if the value lies outside what is shown.
        hollow: drawn as an outline.
        before: its text stands on the left.
    """

    series: str
    style: Style
    panel: str
    row: str
    value: float
    text: str
    low: float | None = None
    high: float | None = None
    drawn: float | None = None
    hollow: bool = False
    before: bool = False

    @property
    def at(self) -> float:
        return self.value if self.drawn is None else self.drawn

    @property
    def ends(self) -> tuple[float, float]:
        return (self.at, self.at) if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class Dots:
    """The figure. Panels share one axis unless they have their own.

    Args:
        axis: title of the axis.
        format: of the ticks, in d3's language. Not ``~g``, which writes 10 as 1e+1.
        bars: bars from 0 in place of dots.
        at: where an upright dashed line stands.
        bare: no axis, since every number stands there. shared_axis: one range for all panels.
        links: pairs of series that a line connects, from the first to the second.
        shared_rows: several series in a row, told apart by colour and shape; without numbers, which would overprint.
    """

    dots: Sequence[Dot]
    axis: str
    format: str = ".2~f"
    bars: bool = False
    bare: bool = False
    shared_axis: bool = True
    log: bool = False
    at: float | None = None
    links: Sequence[tuple[str, str]] = ()
    shared_rows: bool = False

    legend: str = ""

    @property
    def rows(self) -> list[str]:
        return list(dict.fromkeys(dot.row for dot in self.dots))

    @property
    def panels(self) -> dict[str, list[Dot]]:
        return {name: [d for d in self.dots if d.panel == name] for name in dict.fromkeys(d.panel for d in self.dots)}

    def looks(self) -> dict[str, Style]:
        """Series -> style."""
        return {dot.series: dot.style for dot in self.dots}

    def words(self) -> str:
        """Every number, panel by panel."""
        return "; ".join(
            f"{panel}: " + ", ".join(f"{d.row}{_whose(d)} {d.text}" for d in dots)
            for panel, dots in self.panels.items()
        )

    def chart(self, canvas: Canvas) -> Spec:
        """Panels side by side, or below each other."""
        names = label_width(self.rows, canvas)
        columns = 1 if canvas.narrow else len(self.panels)
        width = (canvas.width - names - 24 * columns) // columns
        common = self._domain(self.dots, width) if self.shared_axis else None
        panels = []
        for number, (panel, dots) in enumerate(self.panels.items()):
            named = names if canvas.narrow or number == 0 else 0
            rows = list(dict.fromkeys(dot.row for dot in dots)) if canvas.narrow else self.rows
            layers = self._layers(dots, rows, common or self._domain(dots, width), width, named)
            panels.append({"title": panel, "width": width, "height": self._height(rows), "layer": layers})
        return stacked(panels, canvas, len(panels))

    def _height(self, rows: Sequence[str]) -> int:
        each = max(ROW, CLOSE * len(self.looks())) if self.shared_rows else TIGHT if self.bare else ROW
        return each * len(rows)

    def _domain(self, dots: Sequence[Dot], width: int) -> list[float]:
        ends = [end for dot in dots for end in (dot.at, *dot.ends)]
        ends += [0.0] if self.bars else [] if self.at is None else [self.at]
        room = 0.06 if self.shared_rows else NUMBER / max(width - 2 * NUMBER, NUMBER)
        low, high = padded(ends, room, self.log)
        left = any(dot.before or dot.at < 0 for dot in dots)
        return [min(ends) if self.bars and not left else low, high]

    def _layers(self, dots: Sequence[Dot], names: list[str], domain: list[float], width: int, named: int) -> list[Spec]:
        labels = {"labels": named > 0, "labelLimit": named, "grid": False, "labelColor": INK}
        y = field("row", "nominal", sort=names, title=None, scale={"domain": names}, axis=labels)
        scale = {"domain": domain, "type": "log" if self.log else "linear", "nice": False, "zero": False}
        ticks = None if self.bare else {"format": self.format, "title": self.axis, "tickCount": max(width // 70, 2)}
        x = {"type": "quantitative", "scale": scale, "axis": ticks}
        rows = [self._row(dot) for dot in dots]
        place = (
            {"y": y, "yOffset": field("series", "nominal", sort=list(self.looks()))} if self.shared_rows else {"y": y}
        )
        interval = {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": as_is("color")}
        layers = self._line(x) + self._links(dots, x, y)
        layers += [layer(rows, {"type": "rule", "strokeWidth": 1.6}, **place, **interval), self._marks(rows, x, place)]
        return layers if self.shared_rows else layers + _texts(rows, x, y)

    def _marks(self, rows: list[Spec], x: Spec, place: Spec) -> Spec:
        at = {**x, "field": "at"}
        if self.bars:
            mark = {"type": "bar", "height": 15, "cornerRadiusEnd": 3}
            return layer(rows, mark, x=at, x2={"datum": 0}, **place, color=as_is("color"))
        mark = {"type": "point", "size": 45 if self.shared_rows else 95, "opacity": 1}
        look = {"shape": as_is("shape"), "fill": as_is("fill"), "stroke": as_is("color")}
        look = self._named() if self.shared_rows else look
        return layer(rows, mark, x=at, **place, **look)

    def _named(self) -> Spec:
        """Shapes and colours with their names above the figure."""
        looks = list(self.looks().values())
        names, colors, shapes = (
            [*part] for part in zip(*((s.name, s.light, SHAPES[s.marker]) for s in looks), strict=True)
        )
        legend = {"orient": "top", "title": None, "columns": 2 if len(names) > 3 else 3, "labelLimit": 200}
        by = {"color": {"domain": names, "range": colors}, "shape": {"domain": names, "range": shapes}}
        stroke = field("name", "nominal", scale=by["color"], legend=legend)
        return {"shape": field("name", "nominal", scale=by["shape"], legend=legend), "stroke": stroke, "fill": stroke}

    def _line(self, x: Spec) -> list[Spec]:
        mark = {"type": "rule", "color": SOFT, "strokeDash": [4, 3]}
        return [] if self.at is None else [layer([{"at": self.at}], mark, x={**x, "field": "at"})]

    def _links(self, dots: Sequence[Dot], x: Spec, y: Spec) -> list[Spec]:
        by_series = {dot.series: dot for dot in dots}
        ends = [
            {"link": number, "at": by_series[s].at, "row": by_series[s].row, "told": described(b)}
            for number, (a, b) in enumerate(self.links)
            if a in by_series and b in by_series
            for s in (a, b)
        ]
        mark = {"type": "line", "color": SOFT, "strokeWidth": 1.2, "strokeDash": [2, 2]}
        return [layer(ends, mark, x={**x, "field": "at"}, y=y, detail=field("link", "nominal"))] if ends else []

    def _row(self, dot: Dot) -> Spec:
        low, high = dot.ends
        color = dot.style.light
        return {
            "row": dot.row,
            "name": dot.style.name,
            "at": dot.at,
            "low": low,
            "high": high,
            "text": dot.text,
            "before": dot.before,
            "series": dot.series,
            "color": color,
            "fill": PAPER if dot.hollow else color,
            "shape": SHAPES[dot.style.marker],
            "told": described(dot.series, f"{dot.style.name}, {dot.panel}: {dot.text}{_reach(dot)}"),
        }


def _texts(rows: list[Spec], x: Spec, y: Spec) -> list[Spec]:
    """Each number beside its mark, on the side that is free."""
    sides = ((False, "left", 9, "high"), (True, "right", -9, "low"))
    return [
        layer(
            [row for row in rows if row["before"] == before],
            {"type": "text", "align": align, "dx": dx, "baseline": "middle"},
            x={**x, "field": end}, y=y, text=field("text", "nominal"),
        )
        for before, align, dx, end in sides
    ]  # fmt: skip


def _whose(dot: Dot) -> str:
    return "" if dot.row == dot.style.name else f" ({dot.style.name})"


def _reach(dot: Dot) -> str:
    return "" if dot.low is None or dot.high is None else f" ({dot.low:.3g} to {dot.high:.3g})"
