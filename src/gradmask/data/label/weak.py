"""Examples from keywords alone, to start from nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradmask.data.label.examples import RETAIN_NAME, Examples
from gradmask.data.label.scorers.keywords import Scorer, checked_keywords
from gradmask.errors import GradmaskError


def weak_examples(texts: Sequence[str], keywords: Mapping[str, Any], count: int = 50, seed: int = 0) -> Examples:
    """The texts with most keywords of each group as its examples, and random ones without any as retain.

    They are guesses, good for a first `fit`; what they say of precision and recall is not to be trusted before a person has
    looked at them.

    Args:
        texts: of the corpus.
        keywords: group -> words, or word -> weight; see the scorer ``keywords``.
        count: of each group, and of retain for each group, at most.
        seed: of the choice of retain.

    Raises:
        GradmaskError: the keywords have another form, or no text has one of a group.
    """
    groups = list(keywords)
    hits = Scorer(checked_keywords(keywords, groups)).hits(texts)
    chosen: dict[int, set[str]] = {}
    for i, group in enumerate(groups):
        best = np.argsort(-hits[:, i], kind="stable")[:count]
        best = best[hits[best, i] > 0]
        if not len(best):
            raise GradmaskError(f"no text has a keyword of the group {group!r}: give other words")
        for row in best:
            chosen.setdefault(int(row), set()).add(group)
    without = np.flatnonzero((hits == 0).all(axis=1))
    retain = np.random.default_rng(seed).permutation(without)[: count * len(groups)]
    rows = [*chosen, *retain.tolist()]
    labels = [*chosen.values(), *[RETAIN_NAME] * len(retain)]
    return Examples([texts[row] for row in rows], labels, [str(row) for row in rows])
