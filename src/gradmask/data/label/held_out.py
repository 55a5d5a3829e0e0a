"""Scores of labeled examples by models that did not learn from them: what calibration and thresholds are made from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradmask.data.label.head import Features, learn

FOLDS = 10


class HeldOut(NamedTuple):
    """Labeled examples and their held-out scores.

    Attributes:
        rows: each one's index among the examples that were given, ``[labeled]``.
        fold: the fold that it was held out in, ``[labeled]``.
        targets: 1 or 0, ``[labeled, groups]``.
        raw: held-out log-odds before calibration, ``[labeled, groups]``.
        scores: calibrated probabilities at the corpus' prevalence, ``[labeled, groups]``.
    """

    rows: np.ndarray
    fold: np.ndarray
    targets: np.ndarray
    raw: np.ndarray
    scores: np.ndarray

    def weights(self, group: int, prevalence: float) -> np.ndarray:
        """How much each example counts, so that the group is as frequent as in the corpus; sums to the examples, ``[labeled]``."""
        target = self.targets[:, group]
        share = target.mean()
        return np.where(target == 1, prevalence / share, (1 - prevalence) / (1 - share))


def folds_of(targets: np.ndarray, seed: int, folds: int = FOLDS) -> np.ndarray:
    """A fold for every example, each combination of groups spread evenly, ``[examples]``."""
    rng = np.random.default_rng(seed)
    kinds = np.unique(targets, axis=0, return_inverse=True)[1].ravel()
    order = np.lexsort((rng.random(len(kinds)), kinds))
    fold = np.empty(len(kinds), dtype=np.int64)
    fold[order] = np.arange(len(kinds)) % min(folds, len(kinds))
    return fold


def held_out_log_odds(
    features: Features, targets: np.ndarray, fold: np.ndarray, strength: float, seed: int
) -> np.ndarray:
    """Log-odds of each example by the linear model of the other folds, ``[examples, groups]``."""
    raw = np.empty(targets.shape)
    for one in np.unique(fold):
        head = learn(features[fold != one], targets[fold != one], strength, seed)
        raw[fold == one] = head.log_odds(features[fold == one])
    return raw
