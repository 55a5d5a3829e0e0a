"""Where to cut: above one score surely forget, below another surely retain, unlabeled between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradmask.data.label.calibration import logit
from gradmask.errors import GradmaskError, did_you_mean

Interval = tuple[float, float]
Target = Mapping[str, float] | Mapping[str, Mapping[str, float]]
"""One for all groups, or one for each. See `Labeler.choose`."""
TARGETS = {"precision": (0.0, 1.0), "recall": (0.0, 1.0), "share": (0.0, 1.0), "missed": (0.0, 1.0)}
DEFAULT_TARGET = {"precision": 0.9}
_NEARLY = 0.99
MISSED = 0.05
"""By default, the share of a group's documents that may be labeled retain."""


@dataclass(frozen=True)
class Thresholds:
    """The cuts of a group, and what they do, estimated from held-out examples and unlabeled text at the corpus' prevalence.

    Attributes:
        forget_above: scores from here on are the group's.
        retain_below: scores below are retain.
        precision, recall: of what is at least ``forget_above``.
        missed: the share of the group's documents below ``retain_below``.
        forget_share, retain_share, unlabeled_share: of the corpus' documents, expected.
        precision_interval, recall_interval, missed_interval: 95 %, from held-out examples alone. They hold if the examples are
            a random sample of each class. That of the precision takes the least recall with the most false positives.
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
    scores: np.ndarray, positive: np.ndarray, prevalence: float, corpus: np.ndarray, target: Mapping[str, float]
) -> Thresholds:
    """Cuts that meet a target on held-out examples.

    Args:
        scores: held-out probabilities ``[examples]``.
        positive: 1 or 0 ``[examples]``.
        prevalence: the group's share of the corpus.
        corpus: held-out scores of unlabeled text, possibly none, ``[texts]``.
        target: see `check_target`.
    """
    wanted = check_target(target)
    evidence = Evidence(scores, positive == 1, prevalence, corpus)
    above, met = _forget_above(evidence, wanted)
    below = min(evidence.below_with_missed(wanted["missed"]), above)
    return _measured(evidence, above, below, wanted, met)


class Evidence(NamedTuple):
    """What is known of a group's scores: see `choose_thresholds`."""

    scores: np.ndarray
    positive: np.ndarray
    prevalence: float
    corpus: np.ndarray

    def cuts(self) -> np.ndarray:
        """Every score that occurs, ascending."""
        return np.unique(np.concatenate([self.scores, self.corpus]))

    def recall(self, cuts: np.ndarray) -> np.ndarray:
        """Of held-out examples."""
        return _share_from(self.scores[self.positive], cuts)

    def false_positives(self, cuts: np.ndarray) -> np.ndarray:
        """The share of what is not the group's, of held-out examples."""
        return _share_from(self.scores[~self.positive], cuts)

    def precision(self, cuts: np.ndarray) -> np.ndarray:
        """By held-out examples at the corpus' prevalence, and by the scores of unlabeled text: the lower of the two.

        Few examples that are not the group's say little about a precision: 50 of them and none above the cut leave room for many
        more mistakes than there are documents of a rare group. The mean score of the corpus above the cut sees them.
        """
        measured = precision_of(self.recall(cuts), self.false_positives(cuts), self.prevalence)
        if not len(self.corpus):
            return measured
        ranked = np.sort(self.corpus)
        tail = np.append(np.cumsum(ranked[::-1])[::-1], 0.0)
        first = np.searchsorted(ranked, cuts)
        counts = len(ranked) - first
        expected = np.divide(tail[first], counts, out=np.ones(len(cuts)), where=counts > 0)
        return np.minimum(measured, expected)

    def share(self, cuts: np.ndarray) -> np.ndarray:
        """The share of the corpus from each cut on."""
        if len(self.corpus):
            return _share_from(self.corpus, cuts)
        return self.prevalence * self.recall(cuts) + (1 - self.prevalence) * self.false_positives(cuts)

    def below_with_missed(self, missed: float) -> float:
        """The cut with at most this share of the positives below it and as much as possible of everything else.

        Of cuts that are all but equal the lowest: where classes are far apart, text unlike any example lies above it, unlabeled.
        """
        ranked = np.sort(self.scores[self.positive])
        cuts = self.cuts()
        cuts = cuts[cuts <= ranked[int(missed * len(ranked))]]
        below = self._others_below(cuts)
        return float(cuts[np.argmax(below >= _NEARLY * below[-1])])

    def _others_below(self, cuts: np.ndarray) -> np.ndarray:
        """How much of what is not the group's lies below each cut, in any unit: by the corpus' scores, or by examples."""
        if not len(self.corpus):
            return 1 - self.false_positives(cuts)
        ranked = np.sort(self.corpus)
        return np.concatenate([[0.0], np.cumsum(1 - ranked)])[np.searchsorted(ranked, cuts)]


def _share_from(values: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    return 1 - np.searchsorted(np.sort(values), cuts) / len(values)


def precision_of(recall: np.ndarray, false_positives: np.ndarray, prevalence: float) -> np.ndarray:
    """Where a group has this share of the documents; 1 where nothing is taken."""
    hits, mistakes = prevalence * recall, (1 - prevalence) * false_positives
    return np.divide(hits, hits + mistakes, out=np.ones_like(hits), where=hits + mistakes > 0)


def _forget_above(evidence: Evidence, wanted: Mapping[str, float]) -> tuple[float, bool]:
    """The cut for sure forget, and whether it meets the target."""
    cuts = evidence.cuts()
    recall = evidence.recall(cuts)
    cuts, recall = cuts[recall > 0], recall[recall > 0]
    if "recall" in wanted:
        return float(cuts[np.flatnonzero(recall >= wanted["recall"])[-1]]), True
    if "share" in wanted:
        return float(cuts[int(np.argmin(np.abs(evidence.share(cuts) - wanted["share"])))]), True
    precision = evidence.precision(cuts)
    enough = np.flatnonzero(precision >= wanted["precision"])
    if not len(enough):
        return float(cuts[np.argmax(precision)]), False
    return _middle(cuts[enough[recall[enough] == recall[enough[0]]]]), True


def _middle(cuts: np.ndarray) -> float:
    """The cut in the middle of these, by log-odds: where classes are far apart, text unlike any example lies between them."""
    log_odds = logit(cuts)
    return float(cuts[np.argmin(np.abs(log_odds - (log_odds[0] + log_odds[-1]) / 2))])


def _measured(evidence: Evidence, above: float, below: float, wanted: dict[str, float], met: bool) -> Thresholds:
    cuts = np.array([above, below])
    recall, precision = evidence.recall(cuts), evidence.precision(cuts)
    share = evidence.share(cuts)
    positives, negatives = int(evidence.positive.sum()), int((~evidence.positive).sum())
    found = wilson(recall[0] * positives, positives)
    mistakes = wilson(evidence.false_positives(cuts)[0] * negatives, negatives)
    worst, best = precision_of(np.array(found), np.array(mistakes[::-1]), evidence.prevalence)
    return Thresholds(
        forget_above=above,
        retain_below=below,
        precision=float(precision[0]),
        recall=float(recall[0]),
        missed=float(1 - recall[1]),
        forget_share=float(share[0]),
        retain_share=float(1 - share[1]),
        unlabeled_share=float(share[1] - share[0]),
        precision_interval=(float(worst), float(best)),
        recall_interval=found,
        missed_interval=wilson((1 - recall[1]) * positives, positives),
        target=wanted,
        met=met,
    )


def wilson(hits: float, n: float, z: float = 1.959963984540054) -> Interval:
    """The 95 % interval of a share (Wilson 1927)."""
    if n <= 0:
        return (0.0, 1.0)
    p = hits / n
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return (max(0.0, float((middle - half) / scale)), min(1.0, float((middle + half) / scale)))
