"""Distributions, one above the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from gradmask.lab.report.charts.canvas import Canvas, Spec, described, field, label_width, layer, stacked
from gradmask.lab.report.style import INK, Style

OVERLAP, CUT = 1.4, 1.6
"""Rows that the highest hill is high, and rows at which a bin is cut."""
ROW = 40
NUMBER = 34
"""Pixels that a mean takes."""


@dataclass(frozen=True)
class Hill:
    """Shares of what lies between ``edges``, and their mean."""

    series: str
    style: Style
    panel: str
    shares: Sequence[float]
    mean: float


@dataclass(frozen=True)
class Hills:
    """The figure: a row per series, a panel per ``Hill.panel``; one axis up to ``right``."""

    hills: Sequence[Hill]
    edges: Sequence[float]
    right: float
    axis: str
    legend: str = ""

    def looks(self) -> dict[str, Style]:
        """Series -> style."""
        return {hill.series: hill.style for hill in self.hills}

    @property
    def panels(self) -> dict[str, list[Hill]]:
        return {p: [h for h in self.hills if h.panel == p] for p in dict.fromkeys(h.panel for h in self.hills)}

    def words(self) -> str:
        """The means."""
        return "; ".join(
            f"{panel}, mean: " + ", ".join(f"{hill.style.name} {hill.mean:.2f}" for hill in hills)
            for panel, hills in self.panels.items()
        )

    def chart(self, canvas: Canvas) -> Spec:
        """Panels side by side, or below each other."""
        names = label_width((style.name for style in self.looks().values()), canvas)
        columns = 1 if canvas.narrow else len(self.panels)
        width = (canvas.width - names - (24 + NUMBER) * columns) // columns
        height = int(ROW * (len(self.looks()) - 0.75 + CUT))
        panels: list[Spec] = [
            {
                "title": panel,
                "width": width,
                "height": height,
                "layer": self._layers(hills, names if canvas.narrow or n == 0 else 0, width),
            }
            for n, (panel, hills) in enumerate(self.panels.items())
        ]
        return stacked(panels, canvas, columns)

    def _layers(self, hills: Sequence[Hill], names: int, width: int) -> list[Spec]:
        rows = list(self.looks())
        titles = json.dumps([style.name for style in self.looks().values()])
        labels = {
            "values": list(range(len(rows))),
            "labelExpr": f"{titles}[datum.value]",
            "grid": False,
            "labels": names > 0,
        }
        x = field("x", title=self.axis, scale={"domain": [0, self.right], "nice": False, "clamp": True})
        axis = {**labels, "labelLimit": names, "labelColor": INK}
        y = field("y", title=None, axis=axis, scale={"domain": [len(rows) - 0.75, -CUT], "nice": False})
        scale = OVERLAP / max(max(hill.shares[1:]) for hill in hills)
        drawn = [part for hill in hills for part in self._hill(hill, rows.index(hill.series), scale, x, y)]
        return [*drawn, _means(hills, rows, y, width)]

    def _hill(self, hill: Hill, row: int, scale: float, x: Spec, y: Spec) -> list[Spec]:
        tops = [row - min(scale * share, CUT) for share in hill.shares]
        told = described(hill.series, f"{hill.style.name}, {hill.panel}: mean {hill.mean:.2f}")
        steps = [
            {"x": edge, "y": top, "foot": row, "told": told}
            for edge, top in zip(self.edges, [*tops, tops[-1]], strict=False)
            if edge <= self.right
        ]
        at = max((i for i, edge in enumerate(self.edges[: len(tops)]) if edge <= hill.mean), default=0)
        mean = {"x": hill.mean, "y": row, "top": min(tops[at], row - 0.25), "told": told}
        step, color = {"interpolate": "step-after"}, hill.style.light
        return [
            layer(steps, {"type": "area", "color": color, "opacity": 0.35, **step}, x=x, y=y, y2={"field": "foot"}),
            layer(steps, {"type": "line", "color": color, "strokeWidth": 1.2, **step}, x=x, y=y),
            layer([mean], {"type": "rule", "color": INK, "strokeWidth": 1.4}, x=x, y=y, y2={"field": "top"}),
        ]


def _means(hills: Sequence[Hill], rows: Sequence[str], y: Spec, width: int) -> Spec:
    """The means as numbers, right of the hills."""
    numbers = [
        {"y": rows.index(hill.series), "text": f"{hill.mean:.2f}", "told": described(hill.series)} for hill in hills
    ]
    mark = {"type": "text", "align": "left", "baseline": "bottom", "dx": 5, "dy": 4}
    return layer(numbers, mark, x={"value": width}, y=y, text=field("text", "nominal"))
