"""From log-odds to probabilities: Platt's logistic curve for few examples, an isotonic curve for many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MANY = 500
"""Examples of the rarer class from which on the curve is isotonic."""
_EDGE = 1e-6


class Calibration(NamedTuple):
    """A non-decreasing curve from log-odds to calibrated log-odds, linear between its points and beyond.

    ``x``, ``y``: float64 ``[points]``, at least two.
    """

    x: np.ndarray
    y: np.ndarray

    def log_odds(self, raw: np.ndarray) -> np.ndarray:
        """Calibrated log-odds, ``[texts]``."""
        if len(self.x) > 2:
            return np.interp(raw, self.x, self.y)
        slope = (self.y[1] - self.y[0]) / (self.x[1] - self.x[0])
        return self.y[0] + slope * (raw - self.x[0])


def calibrate(raw: np.ndarray, target: np.ndarray) -> Calibration:
    """Fit a curve to held-out log-odds, so that scores are probabilities where classes are as frequent as in ``target``.

    Args:
        raw: log-odds ``[examples]``.
        target: 1 or 0 ``[examples]``, both of them.
    """
    rarer = int(min(target.sum(), len(target) - target.sum()))
    return _isotonic(raw, target) if rarer >= MANY else _platt(raw, target)


def _platt(raw: np.ndarray, target: np.ndarray) -> Calibration:
    """Platt (1999), with his targets that keep few examples from certainty."""
    from scipy.optimize import minimize

    positive = target.sum()
    wanted = np.where(target == 1, (positive + 1) / (positive + 2), 1 / (len(target) - positive + 2))

    def loss(line: np.ndarray) -> float:
        z = np.exp(line[0]) * raw + line[1]
        return float(np.sum(np.logaddexp(0, z) - wanted * z))

    line = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"maxiter": 2000, "xatol": 1e-6, "fatol": 1e-9}).x
    x = np.array([-1.0, 1.0])
    return Calibration(x, np.exp(line[0]) * x + line[1])


def _isotonic(raw: np.ndarray, target: np.ndarray) -> Calibration:
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=_EDGE, y_max=1 - _EDGE, out_of_bounds="clip").fit(raw, target)
    y = np.clip(model.y_thresholds_, _EDGE, 1 - _EDGE)
    x, first = np.unique(model.X_thresholds_, return_index=True)
    if len(x) < 3:
        return _platt(raw, target)
    return Calibration(x.astype(np.float64), logit(y[first]))


def logit(p: np.ndarray | float) -> np.ndarray:
    """Log-odds of probabilities; 0 and 1 become large, not infinite."""
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return np.log(p) - np.log1p(-p)


def sigmoid(z: np.ndarray) -> np.ndarray:
    """Probabilities of log-odds."""
    return 0.5 * (1 + np.tanh(0.5 * z))


def calibration_error(scores: np.ndarray, target: np.ndarray, weights: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: the mean distance of score and frequency over bins of equal weight."""
    order = np.argsort(scores, kind="stable")
    share = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    which = np.minimum((share * bins).astype(int), bins - 1)
    sums = [
        np.bincount(which, weights=weights[order] * values, minlength=bins) for values in (scores[order], target[order])
    ]
    return float(np.abs(sums[0] - sums[1]).sum() / weights.sum())
