"""A table of numbers by colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradmask.lab.report.charts.canvas import Canvas, Spec, as_is, described, field, layer, stacked
from gradmask.lab.report.style import Style


@dataclass(frozen=True)
class Cell:
    """One number between 0 and 1."""

    panel: str
    row: float
    column: float
    value: float


@dataclass(frozen=True)
class Grid:
    """The figure; rows and columns are shares."""

    cells: Sequence[Cell]
    row_title: str
    column_title: str
    legend: str = ""

    def looks(self) -> dict[str, Style]:
        """Nothing is told apart by its series."""
        return {}

    def words(self) -> str:
        """Every number."""
        return "; ".join(
            f"{panel}: "
            + ", ".join(
                f"{c.value:.2f} at {_percent(c.row)} and {_percent(c.column)}" for c in self.cells if c.panel == panel
            )
            for panel in dict.fromkeys(cell.panel for cell in self.cells)
        )

    def chart(self, canvas: Canvas) -> Spec:
        """Panels side by side, or below each other."""
        panels = list(dict.fromkeys(cell.panel for cell in self.cells))
        columns = 1 if canvas.narrow else len(panels)
        width = canvas.width // columns - 80
        return stacked([self._panel(panel, width) for panel in panels], canvas, columns)

    def _panel(self, panel: str, width: int) -> Spec:
        cells = [cell for cell in self.cells if cell.panel == panel]
        rows = [
            {"row": _percent(c.row), "column": _percent(c.column), "value": c.value, "text": f"{c.value:.2f}"}
            | {"ink": "black" if c.value > 0.45 else "white", "told": described("", f"{panel}: {c.value:.2f}")}
            for c in cells
        ]
        downwards = [_percent(v) for v in sorted({c.row for c in cells}, reverse=True)]
        across = [_percent(v) for v in sorted({c.column for c in cells})]
        x = field("column", "ordinal", sort=across, title=self.column_title, axis={"labelAngle": 0})
        y = field("row", "ordinal", sort=downwards, title=self.row_title)
        color = field("value", scale={"scheme": "viridis", "domain": [0, 1], "clamp": True}, legend=None)
        text = field("text", "nominal")
        layers = [
            layer(rows, "rect", x=x, y=y, fill=color),
            layer(rows, "text", x=x, y=y, text=text, color=as_is("ink")),
        ]
        return {"title": panel, "width": width, "height": 42 * len(downwards), "layer": layers}


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
