"""The same text more than once: in training, and in training and held-out text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import EXAMPLES, Finding
from gradmask.data.inspection.findings.contradictions import contradictory
from gradmask.data.inspection.survey import Survey
from gradmask.data.names import UNLABELED

FEW = 0.01
"""Share of the training documents up to which copies are only a note."""


def find(facts: Facts) -> Iterator[Finding]:
    survey = facts.survey
    train, test = np.flatnonzero(survey.train), np.flatnonzero(survey.held_out)
    told = contradictory(survey, np.flatnonzero(survey.label != UNLABELED))
    copies = later_copies(survey.text[train])
    copies = copies[~np.isin(train[copies], told)]
    if len(copies):
        share = len(copies) / len(train)
        yield Finding(
            "duplicates",
            "note" if share <= FEW else "warning",
            len(copies),
            "documents",
            f"copies of earlier training documents: {len(copies):,} ({share:.1%} of them)",
            "Remove copies: a text that is seen often is learned by heart",
            _with_originals(survey, train, train[copies]),
        )
    leaked = test[np.isin(survey.text[test], survey.text[train])]
    if len(leaked):
        yield Finding(
            "held_out_in_training",
            "warning",
            len(leaked),
            "documents",
            f"held-out documents that are also in the training text: {len(leaked):,} ({len(leaked) / len(test):.1%} of them)",
            "Remove them from one side: losses on text that was trained on say nothing",
            _with_originals(survey, train, leaked),
        )


def later_copies(texts: np.ndarray) -> np.ndarray:
    """Positions of texts that occur earlier, too."""
    first = np.unique(texts, return_index=True)[1]
    return np.setdiff1d(np.arange(len(texts)), first, assume_unique=True)


def _with_originals(survey: Survey, among: np.ndarray, rows: np.ndarray) -> list[str]:
    originals = [among[survey.text[among] == survey.text[row]][0] for row in rows[:EXAMPLES]]
    return [f"{survey.place(row)} = {survey.place(first)}" for row, first in zip(rows, originals, strict=False)]
