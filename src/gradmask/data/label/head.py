"""A linear model on top of a scorer's features: one logistic regression per group."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

Features = Any
"""A sparse matrix or an array, ``[texts, features]``."""


class Head(NamedTuple):
    """Log-odds are ``features @ weights + bias``: float32 ``[features, groups]`` and ``[groups]``."""

    weights: np.ndarray
    bias: np.ndarray

    def log_odds(self, features: Features) -> np.ndarray:
        """One number per text and group, float64 ``[texts, groups]``."""
        return np.asarray(features @ self.weights, dtype=np.float64) + self.bias


def learn(features: Features, targets: np.ndarray, strength: float, seed: int) -> Head:
    """Fit one logistic regression per group; both classes weigh the same.

    Args:
        features: of the examples, ``[examples, features]``.
        targets: 1, 0 or -1 (not known: left out), ``[examples, groups]``.
        strength: the inverse of the L2 penalty (scikit-learn's ``C``).
        seed: for the solver.
    """
    columns = [_learn_one(features, targets[:, group], strength, seed) for group in range(targets.shape[1])]
    weights, bias = zip(*columns, strict=True)
    return Head(np.stack(weights, axis=1).astype(np.float32), np.array(bias, dtype=np.float64))


def _learn_one(features: Features, target: np.ndarray, strength: float, seed: int) -> tuple[np.ndarray, float]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    known = np.flatnonzero(target >= 0)
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=200, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits of weights do not matter here
        model.fit(features[known], target[known])
    return model.coef_[0], float(model.intercept_[0])
