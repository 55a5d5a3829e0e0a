"""The figures of a comparison: ``rows`` are the numbers behind each, ``draw`` makes a Matplotlib figure of them, or None."""

from __future__ import annotations

from gradmask.lab.compare.figures import frontier, noise, relearning
from gradmask.lab.compare.results import Comparison
from gradmask.lab.report.parts import FigureKind

FIGURES: dict[str, FigureKind[Comparison]] = {
    "frontier": FigureKind(
        "What is removed, and what it costs",
        "Every model that is to be without the capability. Up: closer to a model that never saw it; above 1 is damage, and what "
        "lies far beyond is drawn at the edge with its number. Right: what is kept is known better. Lines are 95 % intervals "
        "over seeds.",
        frontier.frontier_rows,
        frontier.frontier,
    ),
    "recovery": FigureKind(
        "How fast it comes back",
        "Held-out forget loss under fine-tuning, the lowest that any of the attacks has had by then; means over seeds, losses as "
        "the models give them. A line below that of the perfect filter says that something of the domain was left.",
        relearning.recovery_rows,
        relearning.recovery,
    ),
    "relearning": FigureKind(
        "How long it stays gone",
        "Fine-tuning steps until 90 % of the way from the perfect filter's forget loss to that of no filter are regained, and "
        "(pale) until no filter's loss itself, by the strongest of the attacks on each; a seed that did not come back "
        "counts with the whole budget. Lines are 95 % intervals over seeds.",
        relearning.relearning_rows,
        relearning.relearning,
    ),
    "undiscovered": FigureKind(
        "When the labels miss more",
        "The same training with another share of the forget text left unlabeled. Where the studies have fewer seeds than "
        "the comparison, only the point of the recipe's own labels has them all.",
        noise.undiscovered_rows,
        noise.undiscovered,
    ),
    "rates": FigureKind(
        "When the labels err both ways",
        "True positives: share of forget documents that are labeled so. False positives: share of the others that are "
        "labeled forget by mistake.",
        noise.rates_rows,
        noise.rates,
    ),
}
