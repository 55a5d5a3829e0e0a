"""The figures, one file each: ``rows`` are the numbers behind it, ``draw`` makes a Matplotlib figure of them, or None."""

from __future__ import annotations

from gradmask.lab.measures.results import Results
from gradmask.lab.report.figures import compute, curves, distribution, domains, leakage, probes, relearning, tradeoff
from gradmask.lab.report.parts import FigureKind

FIGURES: dict[str, FigureKind[Results]] = {
    module.__name__.rpartition(".")[2]: FigureKind(module.TITLE, module.CAPTION, module.rows, module.draw)
    for module in (domains, tradeoff, relearning, compute, leakage, probes, distribution, curves)
}
"""Name -> figure, in the order of the page."""
