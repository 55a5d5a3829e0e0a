"""Scores of labeled examples by models that did not learn from them: what calibration and thresholds are made from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradmask.data.label.self_training import Pool, train

FOLDS = 5


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
    pool: Pool, targets: np.ndarray, shares: list[float], fold: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds of each labeled and of each unlabeled text by a model that learned from the other folds.

    Returns:
        ``[labeled, groups]`` and ``[unlabeled, groups]``.
    """
    raw = np.empty(targets.shape)
    others = np.empty((pool.unlabeled.shape[0], targets.shape[1]))
    fold_of_others = np.random.default_rng(pool.seed).permutation(len(others)) % (fold.max() + 1)
    for one in np.unique(fold):
        head = train(pool, targets, shares, np.flatnonzero(fold != one), np.flatnonzero(fold_of_others != one))
        raw[fold == one] = head.log_odds(pool.labeled[fold == one])
        others[fold_of_others == one] = head.log_odds(pool.unlabeled[fold_of_others == one])
    return raw, others
