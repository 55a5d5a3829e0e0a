"""The picture of the first screen; see `gradmask.lab.report.summary`."""

from __future__ import annotations

from gradmask.lab.compare.opening import standings
from gradmask.lab.compare.results import Comparison
from gradmask.lab.report import summary
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.parts import Rows

MOST = 7
"""Models that a first look can take in."""


def summary_rows(comparison: Comparison) -> Rows:
    """Of every model: the share of the knowledge that is left, and the price on what is kept."""
    return summary.rows(standings(comparison))


def draw_summary(comparison: Comparison) -> Drawing | None:
    """Two panels of bars with their intervals over seeds; None where there is no scale to measure on."""
    return summary.drawing(summary.shortened(standings(comparison), MOST), comparison.forget or "what was to go")
