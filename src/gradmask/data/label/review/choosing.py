"""Which documents to show next: close to a threshold, unlike each other, some likely positives, a few at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

UNCERTAIN, LIKELY, RANDOM, SEARCH = "uncertain", "likely", "random", "search"
"""Why a document is shown. Only what was drawn at random tells how good the labels of the corpus are."""
FEW = 25
"""Positives of a group below which half of the documents shown are likely ones."""
WIDE = 8
"""Candidates per document that is chosen for being unlike the others."""
EDGE = 1e-6


def distance(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How far each document is from being decided the other way, in logits: the smallest distance of its groups.

    Args:
        scores: probabilities ``[documents, groups]``.
        thresholds: ``[groups]``, above which a document is labeled with the group.
    """
    return np.abs(_logit(scores) - _logit(thresholds)).min(axis=1)


def plan(count: int, positives: Sequence[int], random_share: float) -> dict[str, int]:
    """How many of ``count`` documents are shown for which reason; ``positives``: labeled ones so far, per group."""
    chance = min(count, max(1, round(count * random_share))) if random_share else 0
    likely = (count - chance) // (2 if min(positives) < FEW else 10)
    return {RANDOM: chance, LIKELY: likely, UNCERTAIN: count - chance - likely}


def choose(
    scores: np.ndarray,
    thresholds: np.ndarray,
    order: np.ndarray,
    positives: Sequence[int],
    texts: Sequence[str],
    count: int,
    random_share: float,
) -> list[tuple[int, str]]:
    """The next documents to show: (row, reason), the reasons in turn.

    Args:
        scores: ``[documents, groups]`` of those that have no answer.
        thresholds: ``[groups]``.
        order: ``[documents]``; the random ones are those that come first in it.
        positives: labeled so far, per group; the scarcest group's likely documents are shown.
        texts: ``[documents]``.
        count: how many.
        random_share: of all that is shown; at least one in ``count`` where it is above 0.
    """
    shares = plan(min(count, len(texts)), positives, random_share)
    scarce = int(np.argmin(positives))
    likely_first, near_first = np.argsort(-scores[:, scarce], kind="stable"), np.argsort(distance(scores, thresholds))
    taken: set[int] = set()
    chosen = {RANDOM: _first(np.argsort(order, kind="stable"), shares[RANDOM], taken)}
    for reason, ranking in ((LIKELY, likely_first), (UNCERTAIN, near_first)):
        wide = _first(ranking, WIDE * shares[reason], set(taken))
        chosen[reason] = unlike(wide, texts, shares[reason])
        taken.update(chosen[reason])
    return _in_turn(chosen)


def unlike(rows: Sequence[int], texts: Sequence[str], count: int) -> list[int]:
    """``count`` of these rows, each as unlike those before it as possible; the first row is the first."""
    if len(rows) <= count or count < 1:
        return list(rows)[:count]
    from sklearn.feature_extraction.text import HashingVectorizer

    model = HashingVectorizer(n_features=2**16, alternate_sign=False)
    vectors: Any = model.transform([texts[row][:5000] for row in rows])
    picked, nearest = [0], np.zeros(len(rows))
    while len(picked) < count:
        nearest = np.maximum(nearest, (vectors @ vectors[picked[-1]].T).toarray()[:, 0])
        nearest[picked] = np.inf
        picked.append(int(np.argmin(nearest)))
    return [rows[i] for i in picked]


def _first(ranking: np.ndarray, count: int, taken: set[int]) -> list[int]:
    rows = [row for row in ranking[: count + len(taken)].tolist() if row not in taken][:count]
    taken.update(rows)
    return rows


def _in_turn(chosen: dict[str, list[int]]) -> list[tuple[int, str]]:
    """Spread every reason evenly over the whole list."""
    places = [((i + 0.5) / len(rows), row, reason) for reason, rows in chosen.items() for i, row in enumerate(rows)]
    return [(row, reason) for _, row, reason in sorted(places)]


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(np.asarray(p, dtype=float), EDGE, 1 - EDGE)
    return np.log(p / (1 - p))
