"""The figures of the page, one file each."""

from __future__ import annotations

from typing import Any

from gradmask.lab.labeling.evidence import Evidence
from gradmask.lab.labeling.figures import reliability, scores, tradeoff
from gradmask.lab.report.drawn import FigureKind

_MODULES: tuple[Any, ...] = (tradeoff, scores, reliability)
FIGURES: dict[str, FigureKind[Evidence]] = {
    m.__name__.rpartition(".")[2]: FigureKind(m.TITLE, m.CAPTION, m.rows, m.draw, words=m.alternative) for m in _MODULES
}
"""Name -> figure, in the order of the page."""
