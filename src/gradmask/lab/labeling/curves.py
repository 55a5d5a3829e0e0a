"""Precision, recall and calibration, and what each threshold costs over the corpus."""

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
    """A threshold, and what is estimated of it at the corpus' prevalence: see `precision`."""

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
    """Every score of an example as a threshold, the highest first."""
    return [at(held, float(above)) for above in np.unique(held.scores)[::-1]]


def at(held: Held, above: float) -> Point:
    """What the threshold ``above`` does."""
    return Point(above, precision(held, above), _shares(held, above)[0])


def precision(held: Held, above: float) -> float:
    """As `gradmask.data.label` estimates it: by held-out examples, or by the mean score of unlabeled text where that is lower."""
    measured, taken = measured_precision(held, above), held.corpus[held.corpus >= above]
    return min(measured, float(taken.mean())) if len(taken) else measured


def measured_precision(held: Held, above: float) -> float:
    """By held-out examples alone; 1 where nothing is above."""
    return _precision(*_shares(held, above), held.prevalence)


def intervals(held: Held, above: float) -> tuple[Interval, Interval]:
    """95 % intervals of precision and recall, by held-out examples alone."""
    recall, mistakes = _shares(held, above)
    positives, others = int(held.positive.sum()), int((~held.positive).sum())
    found, wrong = wilson(recall * positives, positives), wilson(mistakes * others, others)
    worst, best = _precision(found[0], wrong[1], held.prevalence), _precision(found[1], wrong[0], held.prevalence)
    return (worst, best), found


def _shares(held: Held, above: float) -> tuple[float, float]:
    """Of the group's examples, and of all others: what is above."""
    chosen = held.scores >= above
    return float(chosen[held.positive].mean()), float(chosen[~held.positive].mean())


def _precision(recall: float, mistakes: float, prevalence: float) -> float:
    right, wrong = prevalence * recall, (1 - prevalence) * mistakes
    return right / (right + wrong) if right + wrong else 1.0


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
    first = int(bin_of(above))
    part = 1 - (above * BINS - first)  # of the bin that the threshold divides
    share = np.concatenate([np.zeros(first), [min(max(part, 0.0), 1.0)], np.ones(BINS - first - 1)])
    tokens, own = scores.bytes / BYTES_PER_TOKEN, scores.expected / BYTES_PER_TOKEN
    return Cost(
        at(held, above),
        *intervals(held, above),
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
