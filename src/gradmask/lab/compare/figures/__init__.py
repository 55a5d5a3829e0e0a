"""The figures of a comparison: ``rows`` are the numbers behind each, ``draw`` makes a drawing of them, or None."""

from __future__ import annotations

from gradmask.lab.compare.figures import frontier, noise, relearning, summary
from gradmask.lab.compare.results import Comparison
from gradmask.lab.report.drawn import FigureKind
from gradmask.lab.report.summary import CAPTION, TITLE

FIGURES: dict[str, FigureKind[Comparison]] = {
    "summary": FigureKind(
        TITLE, f"{CAPTION} Lines are 95 % intervals over seeds.", summary.summary_rows, summary.draw_summary
    ),
    "frontier": FigureKind(
        "What is removed, and what it costs",
        "Every model that should lack the capability. Up: closer to a model that was never trained on it. Above 1 is damage; "
        "values far outside the axis are drawn at its edge. Right: lower retain loss. Lines are 95 % "
        "intervals over seeds. At the names: gap closed / retain loss against no filter.",
        frontier.frontier_rows,
        frontier.frontier,
    ),
    "recovery": FigureKind(
        "How fast it comes back",
        "Held-out forget loss during fine-tuning: the lowest that any attack has reached by that step; means over seeds, "
        "losses not calibrated. A line below that of the perfect filter means that knowledge of the domain was left.",
        relearning.recovery_rows,
        relearning.recovery,
    ),
    "relearning": FigureKind(
        "How long it stays gone",
        "Fine-tuning steps until 90 % of the gap between the perfect filter's forget loss and that of no filter is regained, "
        "and until all of it is, by the strongest attack on each model; a seed that did not relearn counts with the "
        "whole budget. Lines are 95 % intervals over seeds.",
        relearning.relearning_rows,
        relearning.relearning,
    ),
    "undiscovered": FigureKind(
        "When the labels miss more",
        "The same training with other shares of the forget text left unlabeled. If the studies have fewer seeds than the "
        "comparison, only the point of the recipe's own labels has all seeds.",
        noise.undiscovered_rows,
        noise.undiscovered,
    ),
    "rates": FigureKind(
        "When the labels err both ways",
        "True positives: share of forget documents that are labeled forget. False positives: share of other documents that "
        "are labeled forget by mistake.",
        noise.rates_rows,
        noise.rates,
    ),
}
