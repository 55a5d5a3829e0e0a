"""Where to cut: above one score surely forget, below another surely retain, unlabeled between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gradmask.errors import GradmaskError, did_you_mean

Interval = tuple[float, float]
TARGETS = {"precision": (0.0, 1.0), "recall": (0.0, 1.0), "share": (0.0, 1.0), "missed": (0.0, 1.0)}
DEFAULT_TARGET = {"precision": 0.9}
MISSED = 0.05
"""By default, the share of a group's documents that may be labeled retain."""


@dataclass(frozen=True)
class Thresholds:
    """The cuts of a group, and what they do to held-out labeled examples weighted to the corpus' prevalence.

    Attributes:
        forget_above: scores from here on are the group's.
        retain_below: scores below are retain.
        precision, recall: of what is at least ``forget_above``.
        missed: the share of the group's documents below ``retain_below``.
        forget_share, retain_share, unlabeled_share: of the corpus' documents, expected.
        precision_interval, recall_interval, missed_interval: 95 %.
        target: what was asked for.
        met: whether held-out examples meet it; otherwise the cuts are the closest ones.
    """

    forget_above: float
    retain_below: float
    precision: float
    recall: float
    missed: float
    forget_share: float
    retain_share: float
    unlabeled_share: float
    precision_interval: Interval
    recall_interval: Interval
    missed_interval: Interval
    target: dict[str, float]
    met: bool


def check_target(target: Mapping[str, float]) -> dict[str, float]:
    """The target as given, with ``missed``.

    Raises:
        GradmaskError: it is no target.
    """
    wanted = {"missed": MISSED, **target}
    for name, value in wanted.items():
        if name not in TARGETS:
            raise GradmaskError(f"no target {name!r}.{did_you_mean(name, TARGETS)} Targets: {', '.join(TARGETS)}")
        if not 0 < float(value) < 1:
            raise GradmaskError(f"the target {name} is {value}, needed: a number between 0 and 1")
    if len(set(wanted) - {"missed"}) != 1:
        raise GradmaskError(
            f"the target is {dict(target)}: give one of precision, recall and share (and missed, if you like)"
        )
    return wanted


def choose_thresholds(
    scores: np.ndarray, positive: np.ndarray, weights: np.ndarray, corpus: np.ndarray, target: Mapping[str, float]
) -> Thresholds:
    """Cuts that meet a target on held-out examples.

    Args:
        scores: held-out probabilities ``[examples]``.
        positive: 1 or 0 ``[examples]``.
        weights: how much each example counts ``[examples]``.
        corpus: scores of unlabeled text, for shares; without any, the weighted examples stand for it.
        target: see `check_target`.
    """
    wanted = check_target(target)
    cut = _Curve(scores, positive, weights)
    above, met = _forget_above(cut, wanted, corpus)
    below = min(cut.below_with_missed(wanted["missed"]), above)
    return _measured(cut, above, below, corpus, wanted, met)


class _Curve:
    """Precision and recall at every cut, highest scores first."""

    def __init__(self, scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> None:
        self.scores, self.positive, self.weights = scores, positive == 1, weights
        order = np.argsort(-scores, kind="stable")
        ends = np.append(scores[order][1:] != scores[order][:-1], True)
        hits = np.cumsum((weights * self.positive)[order])[ends]
        taken = np.cumsum(weights[order])[ends]
        self.cuts, self.precision, self.recall = scores[order][ends], hits / taken, hits / hits[-1]
        self.share = taken / taken[-1]

    def below_with_missed(self, missed: float) -> float:
        """The highest cut with at most this share of the positives below it."""
        ranked = np.sort(self.scores[self.positive])
        return float(ranked[int(missed * len(ranked))])

    def counts(self, chosen: np.ndarray) -> tuple[float, float]:
        """Of chosen examples: the weighted number of positives, and of all."""
        return float((self.weights * self.positive)[chosen].sum()), float(self.weights[chosen].sum())


def _forget_above(cut: _Curve, wanted: Mapping[str, float], corpus: np.ndarray) -> tuple[float, bool]:
    """The cut for sure forget, and whether it meets the target."""
    if "precision" in wanted:
        enough = np.flatnonzero(cut.precision >= wanted["precision"])
        best = int(enough[np.argmax(cut.recall[enough])]) if len(enough) else int(np.argmax(cut.precision))
        return float(cut.cuts[best]), len(enough) > 0
    if "recall" in wanted:
        return float(cut.cuts[int(np.argmax(cut.recall >= wanted["recall"]))]), True
    if len(corpus):
        return float(np.quantile(corpus, 1 - wanted["share"])), True
    return float(cut.cuts[int(np.argmin(np.abs(cut.share - wanted["share"])))]), True


def _measured(
    cut: _Curve, above: float, below: float, corpus: np.ndarray, wanted: dict[str, float], met: bool
) -> Thresholds:
    forget, retain = cut.scores >= above, cut.scores < below
    hits, taken = cut.counts(forget)
    positives = int(cut.positive.sum())
    found, lost = int(cut.positive[forget].sum()), int(cut.positive[retain].sum())
    spread, weights = (corpus, np.ones(len(corpus))) if len(corpus) else (cut.scores, cut.weights)
    shares = [float(weights[chosen].sum() / weights.sum()) for chosen in (spread >= above, spread < below)]
    precision = hits / taken if taken else float("nan")
    return Thresholds(
        above,
        below,
        precision,
        found / positives,
        lost / positives,
        shares[0],
        shares[1],
        max(0.0, 1 - sum(shares)),
        _weighted_interval(cut, forget),
        wilson(found, positives),
        wilson(lost, positives),
        wanted,
        met,
    )


def _weighted_interval(cut: _Curve, chosen: np.ndarray) -> Interval:
    """Of the weighted precision, by the number of examples that the weights are worth (Kish 1965)."""
    weights = cut.weights[chosen]
    if not len(weights):
        return (0.0, 1.0)
    worth = weights.sum() ** 2 / (weights**2).sum()
    hits, taken = cut.counts(chosen)
    return wilson(hits / taken * worth, worth)


def wilson(hits: float, n: float, z: float = 1.959964) -> Interval:
    """The 95 % interval of a share (Wilson 1927)."""
    if n <= 0:
        return (0.0, 1.0)
    p = hits / n
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return (max(0.0, float((middle - half) / scale)), min(1.0, float((middle + half) / scale)))
