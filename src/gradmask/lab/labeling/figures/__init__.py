"""The figures of the page, one file each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradmask.lab.labeling.evidence import Evidence
from gradmask.lab.labeling.figures import reliability, scores, tradeoff
from gradmask.lab.report.parts import FigureKind

_MODULES: tuple[Any, ...] = (tradeoff, scores, reliability)
FIGURES: dict[str, FigureKind[Evidence]] = {
    module.__name__.rpartition(".")[2]: FigureKind(module.TITLE, module.CAPTION, module.rows, module.draw)
    for module in _MODULES
}
"""Name -> figure, in the order of the page."""
ALTERNATIVES: dict[str, Callable[[Evidence], str]] = {
    module.__name__.rpartition(".")[2]: module.alternative for module in _MODULES
}
"""Name -> what a figure shows, in words and numbers."""
