"""Logistic regression that also learns from unlabeled text.

A teacher learns from the examples, on words and on the directions in which words vary together in all text (latent semantic
analysis). Its surest guesses about unlabeled text join the examples, and the model learns from both, on words alone. With 50
examples per class this finds the words that the examples happen not to have.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from scipy.sparse import csr_matrix, hstack, issparse, vstack

from gradmask.data.label.calibration import calibrate
from gradmask.data.label.head import Features, Head, learn
from gradmask.data.label.prevalence import estimate_prevalence

LEAST = 200
"""Unlabeled texts below which only examples are learned from."""
_DIRECTIONS, _SCALE = 300, 1.5
_SAMPLE = 6000
"""Unlabeled texts that the directions are found in."""
_SURE, _LEAVE_OUT = 0.4, 5.0
"""Of the group's expected share of unlabeled text: what is taken as the group's, and what is too close to it to be retain."""
_GUESS = 0.5
"""The weight of a guess beside an example."""


class Pool(NamedTuple):
    """Features of labeled and unlabeled texts.

    Attributes:
        labeled, unlabeled: ``[texts, features]``.
        directions: in which features vary together, ``[features, directions]``; none for dense features.
        strength: of the models (scikit-learn's ``C``).
        seed: for solvers and directions.
    """

    labeled: Features
    unlabeled: Features
    directions: np.ndarray | None
    strength: float
    seed: int

    @property
    def has_unlabeled(self) -> bool:
        """Whether there is enough unlabeled text to learn from."""
        return self.unlabeled.shape[0] >= LEAST

    def teacher(self, target: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights and bias on the features, learned from these examples with the directions as further features."""
        if self.directions is None:
            return learn(self.labeled[rows], target[rows], self.strength, self.seed)
        known = self.labeled[rows]
        rich = csr_matrix(hstack([known, csr_matrix(known @ self.directions)]))
        weights, bias = learn(rich, target[rows], self.strength, self.seed)
        own, of_directions = np.split(weights, [known.shape[1]])
        return own + self.directions @ of_directions, bias


def pool_of(labeled: Features, unlabeled: Features, strength: float, seed: int) -> Pool:
    """With latent directions, where features are sparse and there is unlabeled text."""
    if not issparse(labeled) or unlabeled.shape[0] < LEAST:
        return Pool(labeled, unlabeled, None, strength, seed)
    from sklearn.utils.extmath import randomized_svd

    some = np.random.default_rng(seed).permutation(unlabeled.shape[0])[:_SAMPLE]
    everything = csr_matrix(vstack([labeled, unlabeled[some]]))
    count = min(_DIRECTIONS, min(everything.shape) // 4)
    directions = randomized_svd(everything, count, n_iter=2, random_state=seed)[2].T.astype(np.float32)
    return Pool(labeled, unlabeled, _SCALE * directions, strength, seed)


def share_of(pool: Pool, target: np.ndarray, fold: np.ndarray) -> float:
    """The group's share of unlabeled text, by the teacher; 0 where nothing is to be learned from it."""
    if not pool.has_unlabeled:
        return 0.0
    held_out = np.empty(len(target))
    for one in np.unique(fold):
        weights, bias = pool.teacher(target, np.flatnonzero(fold != one))
        held_out[fold == one] = pool.labeled[fold == one] @ weights + bias
    weights, bias = pool.teacher(target, np.arange(len(target)))
    log_odds = calibrate(held_out, target).log_odds(np.asarray(pool.unlabeled @ weights + bias))
    return estimate_prevalence(log_odds, float(target.mean()))


def train(pool: Pool, targets: np.ndarray, shares: list[float], rows: np.ndarray, others: np.ndarray) -> Head:
    """One model per group.

    Args:
        pool: the features.
        targets: 1 or 0 ``[labeled, groups]``.
        shares: each group's share of unlabeled text.
        rows: which labeled texts to learn from.
        others: which unlabeled ones.
    """
    return Head.of([_train_one(pool, targets[:, i], shares[i], rows, others) for i in range(len(shares))])


def _train_one(
    pool: Pool, target: np.ndarray, share: float, rows: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, float]:
    guessed, guesses = _guesses(pool, target, share, rows, others)
    if not guesses.any():
        return learn(pool.labeled[rows], target[rows], pool.strength, pool.seed)
    parts = [pool.labeled[rows], pool.unlabeled[guessed]]
    features = csr_matrix(vstack(parts)) if issparse(pool.labeled) else np.concatenate(cast(list[np.ndarray], parts))
    weights = np.concatenate([np.ones(len(rows)), np.full(len(guessed), _GUESS)])
    return learn(features, np.concatenate([target[rows], guesses]), pool.strength, pool.seed, weights)


def _guesses(
    pool: Pool, target: np.ndarray, share: float, rows: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Unlabeled texts that the teacher is sure of, and 1 or 0 for each."""
    sure = int(_SURE * share * len(others))
    if not pool.has_unlabeled or not sure:
        return others[:0], np.zeros(0, dtype=np.int8)
    weights, bias = pool.teacher(target, rows)
    ranked = others[np.argsort(-np.asarray(pool.unlabeled[others] @ weights + bias), kind="stable")]
    leave = int(min(_LEAVE_OUT * share, (1 + share) / 2) * len(others))
    guessed = np.concatenate([ranked[:sure], ranked[leave:]])
    return guessed, (np.arange(len(guessed)) < sure).astype(np.int8)
