"""Text without spaces between words, where single words are to be labeled."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import Finding, listed
from gradmask.data.names import RETAIN

LETTERS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""Of scripts that put no space between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
READ, SHARE = 2_000, 0.2
"""So many characters of a text are read; so large a share of these letters makes it a text without spaces."""


def without_spaces(text: str) -> bool:
    """Whether a text is in a script that does not separate words."""
    start = text[:READ]
    return not start.isascii() and len(LETTERS.findall(start)) > SHARE * len(start)


SIGNS = {"no_spaces": without_spaces}


def find(facts: Facts) -> Iterator[Finding]:
    survey = facts.survey
    rows = np.flatnonzero(survey.signs["no_spaces"] & survey.train)
    if not facts.use.words or not len(rows):
        return
    groups = [i for i, _ in enumerate(survey.groups, 1) if (survey.label[rows] == i).any()]
    lost = [i for i in groups if _share(facts, i) > SHARE]
    named = f", among them most of {listed([survey.groups[i - 1] for i in lost])}" if lost else ""
    domains = listed([survey.domains[i] for i in np.unique(survey.domain[rows])])
    yield Finding(
        "no_spaces",
        "error" if lost else "warning",
        len(rows),
        "documents",
        f"training documents without spaces between words: {len(rows):,}{named} (domains: {domains}); "
        "partition.distinctive_words asks for words",
        "A whole clause would count as one word: leave partition.distinctive_words out, so that documents are labeled as "
        "a whole, or put spaces between the words of the text, or label parts of it (spans_field)",
        survey.places(rows),
    )


def _share(facts: Facts, group: int) -> float:
    labeled = facts.labeled(group)
    assert group > RETAIN
    return float(facts.survey.signs["no_spaces"][labeled].mean())
