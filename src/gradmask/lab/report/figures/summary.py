"""The picture of the first screen; see `gradmask.lab.report.summary`."""

from __future__ import annotations

from typing import Any

from gradmask.lab.measures.results import Results
from gradmask.lab.report import summary
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.words import forgotten

TITLE, CAPTION = summary.TITLE, summary.CAPTION
MOST = 7
"""Models that a first look can take in."""


def rows(results: Results) -> list[dict[str, Any]]:
    """Of every model: the share of the knowledge that is left, and the price on what is kept."""
    return summary.rows(summary.standings(results))


def draw(results: Results) -> Drawing | None:
    """Two panels of bars; None where there is no scale to measure on."""
    return _drawing(results, plain=False)


def plain(results: Results) -> Drawing | None:
    """The same of losses as the models give them; None where those are the only ones."""
    return _drawing(results, plain=True) if results.headline.calibrated else None


def _drawing(results: Results, plain: bool) -> Drawing | None:
    return summary.drawing(summary.shortened(summary.standings(results, plain), MOST), forgotten(results))
