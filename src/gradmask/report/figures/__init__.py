"""The figures, one file each: ``rows`` are the numbers behind it, ``draw`` makes a Matplotlib figure of them, or None."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from gradmask.evaluate.results import Results
from gradmask.report.figures import compute, curves, distribution, domains, leakage, probes, relearning, tradeoff

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class FigureKind:
    """A figure of the report."""

    title: str
    caption: str
    rows: Callable[[Results], Rows]
    draw: Callable[[Results], Figure | None]


FIGURES = {
    module.__name__.rpartition(".")[2]: FigureKind(module.TITLE, module.CAPTION, module.rows, module.draw)
    for module in (domains, tradeoff, relearning, compute, leakage, probes, distribution, curves)
}
"""Name -> figure, in the order of the page."""
