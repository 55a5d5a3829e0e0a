"""Which documents to show next: between the thresholds, unlike each other, some likely positives, a few at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradmask.data.label.review.answers import RANDOM

UNCERTAIN, LIKELY, SEARCH = "uncertain", "likely", "search"
"""Why a document is shown. Only what was drawn at random tells how good the labels of the corpus are."""
FEW = 25
"""Positives of a group below which more of the documents shown are likely ones."""
WIDE = 8
"""Candidates of which one is chosen for being unlike the others."""
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
    likely = (count - chance) * 3 // 8 if min(positives) < FEW else (count - chance) // 8
    return {RANDOM: chance, LIKELY: likely, UNCERTAIN: count - chance - likely}


def choose(
    scores: np.ndarray,
    cuts: np.ndarray,
    order: np.ndarray,
    positives: Sequence[int],
    texts: Sequence[str],
    count: int,
    random_share: float,
) -> list[tuple[int, str]]:
    """The next documents to show: (row, reason), the reasons in turn.

    Args:
        scores: ``[documents, groups]`` of those that have no answer.
        cuts: below which a document is labeled retain, and from which with the group, ``[2, groups]``.
        order: ``[documents]``; the random ones are those that come first in it.
        positives: labeled so far, per group; the scarcest group's likely documents are shown.
        texts: ``[documents]``.
        count: how many.
        random_share: of all that is shown; at least one in ``count`` where it is above 0.
    """
    shares = plan(min(count, len(texts)), positives, random_share)
    taken: set[int] = set()
    chosen = {RANDOM: _first(np.argsort(order, kind="stable"), shares[RANDOM], taken)}
    taken.update(chosen[RANDOM])
    likely = np.argsort(-scores[:, int(np.argmin(positives))], kind="stable")
    rankings = {
        LIKELY: [likely[: WIDE * shares[LIKELY] + len(taken)]] * shares[LIKELY],
        UNCERTAIN: between(scores, cuts, shares[UNCERTAIN]),
    }
    for reason, candidates in rankings.items():
        chosen[reason] = unlike(candidates, texts, taken)
        taken.update(chosen[reason])
    return _in_turn(chosen)


def between(scores: np.ndarray, cuts: np.ndarray, count: int) -> list[np.ndarray]:
    """For each of ``count`` points between the two thresholds, evenly spread in log-odds, all rows by their distance to it.

    Shown are so what is nearly the group's, what is nearly retain, and what lies between. With several groups, point by point the
    next group.
    """
    logits, (low, high) = _logit(scores), _logit(cuts)
    at = (np.arange(count) + 0.5) / max(count, 1)
    groups = np.arange(count) % scores.shape[1]
    return [
        np.argsort(np.abs(logits[:, group] - (low[group] + share * (high[group] - low[group]))), kind="stable")
        for share, group in zip(at, groups, strict=True)
    ]


def unlike(rankings: Sequence[np.ndarray], texts: Sequence[str], taken: set[int]) -> list[int]:
    """One row of each ranking, of its first `WIDE` that are not taken the one that is least like those before it."""
    from sklearn.feature_extraction.text import HashingVectorizer

    model = HashingVectorizer(n_features=2**16, alternate_sign=False)
    picked: list[int] = []
    vectors: list[Any] = []
    for ranking in rankings:
        rows = _first(ranking, WIDE, taken | set(picked))
        if not rows:
            continue
        found: Any = model.transform([texts[row][:5000] for row in rows])
        nearest = (
            np.max([(found @ one.T).toarray()[:, 0] for one in vectors], axis=0) if vectors else np.zeros(len(rows))
        )
        best = int(np.argmin(nearest))
        picked.append(rows[best])
        vectors.append(found[best])
    return picked


def _first(ranking: np.ndarray, count: int, taken: set[int]) -> list[int]:
    """The first ``count`` rows that are not taken."""
    return [row for row in ranking[: count + len(taken)].tolist() if row not in taken][:count]


def _in_turn(chosen: dict[str, list[int]]) -> list[tuple[int, str]]:
    """Spread every reason evenly over the whole list."""
    places = [((i + 0.5) / len(rows), row, reason) for reason, rows in chosen.items() for i, row in enumerate(rows)]
    return [(row, reason) for _, row, reason in sorted(places)]


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(np.asarray(p, dtype=float), EDGE, 1 - EDGE)
    return np.log(p / (1 - p))
