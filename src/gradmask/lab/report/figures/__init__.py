"""The figures, one file each: ``rows`` are the numbers behind it, ``draw`` makes a drawing of them, or None."""

from __future__ import annotations

from gradmask.lab.measures.results import Results
from gradmask.lab.report.drawn import FigureKind
from gradmask.lab.report.figures import (
    compute,
    curves,
    distribution,
    domains,
    leakage,
    probes,
    relearning,
    summary,
    tradeoff,
)

_MODULES = (summary, domains, tradeoff, relearning, compute, leakage, probes, distribution, curves)
FIGURES: dict[str, FigureKind[Results]] = {
    module.__name__.rpartition(".")[2]: FigureKind(
        module.TITLE, module.CAPTION, module.rows, module.draw, getattr(module, "plain", None)
    )
    for module in _MODULES
}
"""Name -> figure, in the order of the page. Those that can take either kind of losses draw the other one by ``plain``."""
