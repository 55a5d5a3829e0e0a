"""Lines and single points over two axes, with their names at their ends."""

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
    layer,
    padded,
    stacked,
)
from gradmask.lab.report.charts.spread import spread
from gradmask.lab.report.style import PAPER, SOFT, Style

MARKS = 24
"""Points of a line that can be pointed at."""


@dataclass(frozen=True)
class Line:
    """A line, or a single point.

    Args:
        points: (x, y).
        text: the number at its end.
        lows, highs: of the interval of every y. reach: half the interval of x, of a single point.
        pale: in the background, without a name.
        hollow: points as outlines. joined: a line between them. marked: points on it.
    """

    series: str
    style: Style
    points: Sequence[tuple[float, float]]
    text: str
    panel: str = ""
    lows: Sequence[float] = ()
    highs: Sequence[float] = ()
    reach: float = 0.0
    pale: bool = False
    hollow: bool = False
    joined: bool = True
    marked: bool = True


@dataclass(frozen=True)
class Level:
    """A dashed line across: at ``y``, or upright at ``x``; in one panel or in all."""

    x: float | None = None
    y: float | None = None
    text: str = ""
    panel: str | None = None


@dataclass(frozen=True)
class Axis:
    """An axis: its title, the format of its ticks in d3's language, its scale, its range, and whether it is turned round."""

    title: str
    format: str = ".2~f"
    scale: str = "linear"
    range: tuple[float, float] | None = None
    turned: bool = False


@dataclass(frozen=True)
class Lines:
    """The figure; a panel per ``Line.panel``, in ``columns``.

    Args:
        named: whether each line has its name and last number at its end.
        steps: lines as steps. area: filled below.
        height: of a panel on a wide screen, in pixels.
    """

    lines: Sequence[Line]
    x: Axis
    y: Axis
    levels: Sequence[Level] = ()
    columns: int = 1
    named: bool = True
    steps: bool = False
    area: bool = False
    height: int = 300

    @property
    def legend(self) -> str:
        """Names at the ends need none on a wide screen."""
        return "narrow" if self.named else "all"

    @property
    def panels(self) -> dict[str, list[Line]]:
        return {
            name: [ln for ln in self.lines if ln.panel == name] for name in dict.fromkeys(ln.panel for ln in self.lines)
        }

    def looks(self) -> dict[str, Style]:
        """Series -> style."""
        found: dict[str, Style] = {}
        for line in self.lines:
            if not line.pale:
                found.setdefault(line.series, line.style)
        return found

    def words(self) -> str:
        """Where every line ends, panel by panel."""
        return "; ".join(
            (f"{panel}: " if panel else "")
            + ", ".join(f"{ln.style.name} {ln.text}".strip() for ln in lines if not ln.pale)
            for panel, lines in self.panels.items()
        )

    def chart(self, canvas: Canvas) -> Spec:
        """A panel below the other, or in columns where there is room."""
        columns = 1 if canvas.narrow else min(self.columns, len(self.panels))
        width = (canvas.width - (62 + self._names(canvas)) * columns) // columns
        height = min(self.height, 230) if canvas.narrow else self.height
        panels: list[Spec] = [
            {
                "title": panel,
                "width": width,
                "height": height,
                "layer": self._layers(panel, lines, width, height, canvas),
            }
            for panel, lines in self.panels.items()
        ]
        return stacked(panels, canvas, columns)

    def _names(self, canvas: Canvas) -> int:
        texts = [self._label(line, canvas) for line in self.lines if not line.pale] if self.named else []
        return int(6.2 * max(map(len, texts), default=0)) + (12 if texts else 4)

    def _label(self, line: Line, canvas: Canvas) -> str:
        return line.text if canvas.narrow else f"{line.style.name}  {line.text}".rstrip()

    def _layers(self, panel: str, lines: Sequence[Line], width: int, height: int, canvas: Canvas) -> list[Spec]:
        levels = [level for level in self.levels if level.panel in (None, panel)]
        across, up = self._domains(lines, levels)
        x, y = _axis("x", self.x, across, width), _axis("y", self.y, up, height)
        layers = [layer for level in levels for layer in _level(level, x, y, height)]
        layers += self._drawn(lines, x, y)
        if self.named:
            layers += self._ends([line for line in lines if not line.pale], up, x, y, width, height, canvas)
        return layers

    def _domains(self, lines: Sequence[Line], levels: Sequence[Level]) -> tuple[list[float], list[float]]:
        xs = [v + sign * ln.reach for ln in lines for v, _ in ln.points for sign in (-1, 1)]
        ys = [v for ln in lines for v in (*(y for _, y in ln.points), *ln.lows, *ln.highs)]
        xs += [level.x for level in levels if level.x is not None]
        ys += [level.y for level in levels if level.y is not None]
        room = 0.06 if any(len(line.points) == 1 for line in lines) else 0.02
        across = padded(xs, room) if self.x.scale == "linear" else [min(xs), max(xs)]
        up = padded(ys, 0.08, self.y.scale == "log") if self.y.range is None else list(self.y.range)
        return across if self.x.range is None else list(self.x.range), up

    def _drawn(self, lines: Sequence[Line], x: Spec, y: Spec) -> list[Spec]:
        joined = [row for ln in lines if ln.joined and len(ln.points) > 1 for row in self._rows(ln, whole=True)]
        kind: Spec = {"interpolate": "step-after"} if self.steps else {}
        place, color, by_line = {"x": x, "y": y}, as_is("color"), field("line", "nominal")
        width, pale = as_is("width"), as_is("opacity")
        stroke = {"type": "line", "strokeJoin": "round", **kind}
        layers = [layer(joined, stroke, **place, color=color, strokeWidth=width, opacity=pale, detail=by_line)]
        if self.area:
            filled = {"type": "area", "opacity": 0.25, **kind}
            layers.insert(0, layer(joined, filled, **place, y2={"datum": self._floor()}, color=color, detail=by_line))
        shown = [line for line in lines if line.marked and not line.pale]
        points = [row for line in shown for row in self._rows(line)]
        upright = [row for row in points if row["high"] > row["low"]]
        level = [row for row in points if row["right"] > row["left"]]
        rule = {"type": "rule", "strokeWidth": 1.4}
        layers.append(layer(upright, rule, x=x, y={**y, "field": "low"}, y2={"field": "high"}, color=color))
        layers.append(layer(level, rule, x={**x, "field": "left"}, x2={"field": "right"}, y=y, color=color))
        look = {"shape": as_is("shape"), "stroke": color, "fill": as_is("fill"), "size": as_is("size")}
        return [*layers, layer(points, {"type": "point", "opacity": 1}, **place, **look)]

    def _floor(self) -> float:
        return self.y.range[0] if self.y.range else 0.0

    def _rows(self, line: Line, whole: bool = False) -> list[Spec]:
        """The points of a line as data: all of them, or those that can be pointed at."""
        last = len(line.points) - 1
        each = 1 if whole or not line.joined else max(-(-len(line.points) // MARKS), 1)
        x_name, y_name = (axis.title.partition("   (")[0].partition(", nats")[0] for axis in (self.x, self.y))
        color = line.style.light
        look = {
            "line": self.lines.index(line),
            "color": color,
            "fill": PAPER if line.hollow else color,
            "shape": SHAPES[line.style.marker],
            "width": 0.7 if line.pale else 2.4 if line.series.endswith("removed") else 1.5,
            "opacity": 0.4 if line.pale else 1,
        }
        return [
            {
                **look,
                "x": x,
                "y": y,
                "left": x - line.reach,
                "right": x + line.reach,
                "low": line.lows[i] if line.lows else y,
                "high": line.highs[i] if line.highs else y,
                "size": 90 if i == last or not line.joined else 22,
                "told": described(line.series, "" if whole else _words(line, (x_name, x), (y_name, y))),
            }
            for i, (x, y) in enumerate(line.points)
            if i % each == 0 or i == last
        ]

    def _ends(
        self, lines: Sequence[Line], up: list[float], x: Spec, y: Spec, width: int, height: int, canvas: Canvas
    ) -> list[Spec]:
        levels = spread([line.points[-1][1] for line in lines], (up[1] - up[0]) * 15 / height)
        rows = [
            {"x": line.points[-1][0], "y": line.points[-1][1], "level": level, "text": self._label(line, canvas)}
            | {"color": line.style.light, "told": described(line.series)}
            for line, level in zip(lines, levels, strict=True)
        ]
        rule = {"type": "rule", "strokeWidth": 0.8, "opacity": 0.7}
        text = {"type": "text", "align": "left", "baseline": "middle"}
        side = {"x": {"value": width + 8}, "y": {**y, "field": "level"}}
        return [
            layer(rows, rule, x=x, x2={"value": width + 4}, y=y, y2={"field": "level"}, color=as_is("color")),
            layer(rows, text, **side, text=field("text", "nominal")),
        ]


def _words(line: Line, x: tuple[str, float], y: tuple[str, float]) -> str:
    return f"{line.style.name}: {y[0]} {y[1]:.3g} at {x[0]} {x[1]:,.4g}"


def _axis(name: str, axis: Axis, domain: list[float], pixels: int) -> Spec:
    scale: Spec = {"type": axis.scale, "domain": domain, "nice": False, "zero": False, "reverse": axis.turned}
    if axis.scale == "symlog":
        scale["constant"] = 1
    whole = {"tickMinStep": 1} if axis.format == "d" else {}
    ticks = {**whole, "title": axis.title, "format": axis.format, "tickCount": max(pixels // 60, 2)}
    return {"field": name, "type": "quantitative", "scale": scale, "axis": ticks}


def _level(level: Level, x: Spec, y: Spec, height: int) -> list[Spec]:
    rows = [{"x": level.x, "y": level.y, "text": level.text}]
    across = level.y is not None
    place = {"y": y} if across else {"x": x}
    drawn = [layer(rows, {"type": "rule", "color": SOFT, "strokeDash": [4, 3]}, **place)]
    if level.text:
        aside = {"dy": 4, "baseline": "top"} if across else {"dx": 4, "baseline": "middle"}
        spot = {**place, ("x" if across else "y"): {"value": 3 if across else height - 9}}
        text = {"type": "text", "align": "left", "color": SOFT, **aside}
        drawn.append(layer(rows, text, **spot, text=field("text", "nominal")))
    return drawn
