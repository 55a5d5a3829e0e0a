"""The same text under two labels: what one copy teaches a group alone, the other teaches everything."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import EXAMPLES, Finding, plural
from gradmask.data.inspection.survey import Survey
from gradmask.data.names import UNLABELED

MOST = 0.5
"""Share of the labeled documents that contradict each other from which the labels are worthless."""


def find(facts: Facts) -> Iterator[Finding]:
    survey = facts.survey
    labeled = np.flatnonzero(survey.label != UNLABELED)
    rows = contradictory(survey, labeled)
    if not len(rows):
        return
    texts = len(np.unique(survey.text[rows]))
    share = len(rows) / len(labeled)
    yield Finding(
        "contradictions",
        "error" if share >= MOST and facts.use.labels else "warning",
        len(rows),
        "documents",
        f"{plural(texts, 'texts')} with more than one label ({len(rows):,} documents, {share:.1%} of the labeled ones)",
        "Decide on one label for each text, or leave it unlabeled: what it teaches cannot be removed otherwise",
        _examples(survey, rows),
    )


def contradictory(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """Those of the rows whose text has another label in another row, copies of a text together."""
    rows = rows[np.lexsort((rows, survey.text[rows]))]
    _, first, text = np.unique(survey.text[rows], return_index=True, return_inverse=True)
    differs = survey.label[rows] != survey.label[rows][first][text]
    return rows[np.bincount(text, differs, len(first))[text] > 0]


def _examples(survey: Survey, rows: np.ndarray) -> list[str]:
    """A text an example, where each of its labels stands first."""
    examples = []
    for text in dict.fromkeys(survey.text[rows].tolist()):
        copies = rows[survey.text[rows] == text]
        places = {survey.label_name(survey.label[row]): survey.place(row) for row in copies[::-1]}
        examples.append(" but ".join(f"{label} at {place}" for label, place in sorted(places.items())))
        if len(examples) == EXAMPLES:
            break
    return examples
