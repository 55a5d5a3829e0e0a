"""Precision, recall and calibration on held-out examples, and what each threshold costs over the corpus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from gradmask.lab.labeling.corpus import BINS, Scores, bin_of
from gradmask.lab.labeling.evidence import BYTES_PER_TOKEN, Held

PRECISIONS, RECALLS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99), (0.5, 0.8, 0.9, 0.95)
"""Whose thresholds are compared."""
Interval = tuple[float, float]


@dataclass(frozen=True)
class Point:
    """A threshold and what it does to held-out examples at the corpus' prevalence."""

    above: float
    precision: float
    recall: float


@dataclass(frozen=True)
class Cost:
    """A threshold over the corpus, in documents and tokens; expected from calibrated scores where the truth is not known."""

    point: Point
    precision_interval: Interval
    recall_interval: Interval
    documents: int
    tokens: float
    retain_tokens: float
    missed_tokens: float
    chosen: bool


def curve(held: Held) -> list[Point]:
    """Every threshold that changes something, the highest first."""
    order = np.argsort(-held.scores, kind="stable")
    scores, positive, weights = held.scores[order], held.positive[order], held.weights[order]
    last = np.append(scores[1:] != scores[:-1], True)
    hits, taken = np.cumsum(weights * positive)[last], np.cumsum(weights)[last]
    return [
        Point(float(above), float(hit / many), float(hit / max(hits[-1], 1e-12)))
        for above, hit, many in zip(scores[last], hits, taken, strict=True)
    ]


def at(held: Held, above: float) -> Point:
    """What the threshold ``above`` does; precision is NaN where nothing is above."""
    chosen = held.scores >= above
    hits, taken = (held.weights * held.positive)[chosen].sum(), held.weights[chosen].sum()
    total = (held.weights * held.positive).sum()
    return Point(above, float(hits / taken) if taken else float("nan"), float(hits / max(total, 1e-12)))


def wilson(hits: float, n: float) -> Interval:
    """The 95 % interval of a share (Wilson 1927)."""
    if n <= 0:
        return 0.0, 1.0
    z, p = float(norm.ppf(0.975)), hits / n
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, float((middle - half) / (1 + z * z / n))), min(1.0, float((middle + half) / (1 + z * z / n)))


def weighted_interval(positive: np.ndarray, weights: np.ndarray) -> Interval:
    """Of a weighted share, by the number of examples that the weights are worth (Kish 1965)."""
    if not len(weights):
        return 0.0, 1.0
    worth = float(weights.sum() ** 2 / (weights**2).sum())
    return wilson(float((weights * positive).sum() / weights.sum()) * worth, worth)


def costs(held: Held, scores: Scores, chosen: float) -> list[Cost]:
    """The chosen threshold, those that reach `PRECISIONS` with most recall, and the highest for `RECALLS`; lowest first."""
    points = curve(held)
    precise = [
        max((p for p in points if p.precision >= level), key=lambda p: p.recall, default=None) for level in PRECISIONS
    ]
    wide = [next((p for p in points if p.recall >= level - 1e-9), None) for level in RECALLS]
    cuts = sorted({chosen, *(p.above for p in [*precise, *wide] if p is not None)})
    return [_cost(held, scores, cut, cut == chosen) for cut in cuts]


def _cost(held: Held, scores: Scores, above: float, chosen: bool) -> Cost:
    first, inside = int(bin_of(above)), held.scores >= above
    part = 1 - (above * BINS - first)  # of the bin that the threshold divides
    share = np.concatenate([np.zeros(first), [min(max(part, 0.0), 1.0)], np.ones(BINS - first - 1)])
    tokens, own = scores.bytes / BYTES_PER_TOKEN, scores.expected / BYTES_PER_TOKEN
    return Cost(
        at(held, above),
        weighted_interval(held.positive[inside], held.weights[inside]),
        wilson(float(held.positive[inside].sum()), float(held.positive.sum())),
        round(float((scores.counts * share).sum())),
        float((tokens * share).sum()),
        float(((tokens - own) * share).sum()),
        float((own * (1 - share)).sum()),
        chosen,
    )


def reliability(held: Held, bins: int = 10) -> list[tuple[float, float, Interval, int]]:
    """(Mean score, frequency, its interval, examples) of bins with about equally many examples."""
    order = np.argsort(held.scores, kind="stable")
    points = []
    for rows in np.array_split(order, min(bins, max(len(order) // 10, 1))):
        weights, positive = held.weights[rows], held.positive[rows]
        mean = float(np.average(held.scores[rows], weights=weights))
        points.append(
            (mean, float(np.average(positive, weights=weights)), weighted_interval(positive, weights), len(rows))
        )
    return points
