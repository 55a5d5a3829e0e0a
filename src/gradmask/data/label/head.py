"""A linear model on top of a scorer's features: one logistic regression per group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Features = Any
"""A sparse matrix or an array, ``[texts, features]``."""


class Head(NamedTuple):
    """Log-odds are ``features @ weights + bias``: float32 ``[features, groups]`` and ``[groups]``."""

    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, columns: Sequence[tuple[np.ndarray, float]]) -> Head:
        """From weights and bias of each group."""
        weights, bias = zip(*columns, strict=True)
        return cls(np.stack(weights, axis=1).astype(np.float32), np.array(bias, dtype=np.float64))

    def log_odds(self, features: Features) -> np.ndarray:
        """One number per text and group, float64 ``[texts, groups]``."""
        return np.asarray(features @ self.weights, dtype=np.float64) + self.bias


def learn(
    features: Features, target: np.ndarray, strength: float, seed: int, weights: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Fit the logistic regression of one group; both classes weigh the same.

    Args:
        features: ``[examples, features]``.
        target: 1 or 0 ``[examples]``.
        strength: the inverse of the L2 penalty (scikit-learn's ``C``).
        seed: for the solver.
        weights: of the examples, if not all alike ``[examples]``.

    Returns:
        Weights ``[features]`` and bias.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        C=strength, class_weight="balanced", solver="liblinear", max_iter=1000, tol=1e-3, random_state=seed
    )
    model.fit(features, target, sample_weight=weights)
    return model.coef_[0], float(model.intercept_[0])
