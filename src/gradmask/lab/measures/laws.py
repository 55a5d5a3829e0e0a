"""Power laws from training to loss, and what a loss is worth by them.

A learning curve follows ln ℓ = ln A − α·ln(s + x₀) over steps s, fitted by least squares on the logarithms to all points of all
seeds alike (*Modular Pretraining Enables Access Control*, arXiv 2607.08077). Its inverse, S(ℓ) = (A/ℓ)^(1/α) − x₀, is the
step-equivalent of a loss: how long the baseline trains until it has that loss. The ends of runs of several sizes follow the same
law over floating-point operations, with x₀ = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
from scipy.optimize import curve_fit

from gradmask.errors import GradmaskError
from gradmask.lab.measures.measure import Strict

DRAWS = 200
LEAST = 1e-3
"""Step-equivalents are at least this."""
LARGEST = 1e6
"""Ratios are capped here."""
START_EXPONENT, START_OFFSET = 0.3, 100.0
SCALE, EXPONENT = (1e-10, 1e8), (1e-3, 5.0)
"""Bounds of A and α."""


class PowerLaw(Strict):
    """Loss = a·(x + offset)^(−b); ``points`` is what it was fitted to, as (x, loss), x in steps or operations."""

    a: float
    b: float
    offset: float = 0.0
    points: list[tuple[float, float]]

    def equivalent(self, loss: float) -> float:
        """The x at which the baseline has this loss; also beyond the end of its training."""
        with np.errstate(over="ignore"):
            return max(float((self.a / loss) ** (1.0 / self.b)) - self.offset, LEAST)


class Ratio(Strict):
    """A compute ratio (1: as good as no filter) with a 95 % interval of the fit; the penalty is 1 minus it."""

    value: float
    low: float
    high: float


def fit_learning_curves(curves: Sequence[tuple[Sequence[float], Sequence[float]]]) -> PowerLaw:
    """The law of one or more learning curves of one size, as (steps, losses); a point at step 0 is no point of training.

    Raises:
        GradmaskError: fewer than three points of different steps, a loss that is not above zero, losses that do not fall.
    """
    pairs = [(float(s), float(x)) for steps, losses in curves for s, x in zip(steps, losses, strict=True) if s > 0]
    steps, losses = np.array([s for s, _ in pairs]), np.array([x for _, x in pairs])
    if len(set(steps.tolist())) < 3 or losses.min() <= 0:
        raise GradmaskError(
            f"the fit of a learning curve needs at least three points of different steps with losses above zero, got "
            f"{len(pairs)}: lower train.eval_every, or train longer"
        )
    a, b, offset = _fit_curve(steps, losses, (losses[0], START_EXPONENT, START_OFFSET))
    if b <= 1.01 * EXPONENT[0]:
        raise GradmaskError(
            "the losses do not fall with training, so that no loss can be expressed as compute: train longer, or give "
            "baselines of several sizes (evaluate.sizes)"
        )
    return PowerLaw(a=a, b=b, offset=offset, points=pairs)


def _fit_curve(steps: np.ndarray, losses: np.ndarray, start: Sequence[float]) -> tuple[float, float, float]:
    """A, α and x₀ within the published bounds."""
    unique = np.unique(steps)
    lowest, highest = -steps.min() + 1e-6, steps.max() + 10 * (unique[1] - unique[0])
    bounds = np.array([(SCALE[0], EXPONENT[0], lowest), (SCALE[1], EXPONENT[1], highest)])
    first = np.clip(np.array(start), bounds[0], bounds[1])
    limits = (bounds[0], bounds[1])
    with catch_warnings():
        simplefilter("ignore")  # three points and three unknowns: the covariance, which nobody reads, is poor
        fit: Any = curve_fit(_log_loss, steps, np.log(losses), p0=first, bounds=limits, maxfev=20_000)
    found = fit[0]
    return float(found[0]), float(found[1]), float(found[2])


def _log_loss(steps: np.ndarray, a: float, b: float, offset: float) -> np.ndarray:
    return np.log(a) - b * np.log(steps + offset)


def fit_sizes(compute: Sequence[float], losses: Sequence[float]) -> PowerLaw:
    """The law of the ends of runs of several sizes, over floating-point operations.

    Raises:
        GradmaskError: fewer than two different amounts of compute, a loss or compute that is not above zero, or losses that
            do not fall with compute.
    """
    if len(compute) != len(losses) or len(set(compute)) < 2 or min([*compute, *losses]) <= 0:
        raise GradmaskError(
            f"a power law needs at least two points of different compute, all above zero; got compute {list(compute)} "
            f"and losses {list(losses)}"
        )
    a, b = _fit_line(np.log(compute), np.log(losses))
    if b <= 0:
        raise GradmaskError(
            f"the losses do not fall with compute (b = {b:.3g}), so that no loss can be expressed as compute: train longer, or "
            "give baselines of other sizes"
        )
    return PowerLaw(
        a=float(np.exp(a)), b=b, points=[(float(c), float(x)) for c, x in zip(compute, losses, strict=True)]
    )


def _fit_line(log_compute: np.ndarray, log_loss: np.ndarray) -> tuple[float, float]:
    slope, level = np.polyfit(log_compute, log_loss, 1)
    return float(level), float(-slope)


def compute_ratio(law: PowerLaw, loss: float, ends: Sequence[float]) -> Ratio:
    """S(loss) over the mean of S of the baselines' final losses, with a 95 % interval.

    The interval comes from drawing the residuals of the fit again and refitting. It tells how far the points leave the law open,
    and nothing of seeds or of held-out text. With two points of a straight law it has no width.
    """
    value = _ratio(law, loss, ends)
    drawn = [_ratio(other, loss, ends) for other in _redrawn(law.a, law.b, law.offset, tuple(law.points))]
    low, high = np.quantile(drawn, [0.025, 0.975]) if drawn else (value, value)
    return Ratio(value=value, low=min(float(low), value), high=max(float(high), value))


def _ratio(law: PowerLaw, loss: float, ends: Sequence[float]) -> float:
    return float(min(law.equivalent(loss) / np.mean([law.equivalent(end) for end in ends]), LARGEST))


@lru_cache(maxsize=64)
def _redrawn(a: float, b: float, offset: float, points: tuple[tuple[float, float], ...]) -> list[PowerLaw]:
    """The law refitted to its own points with residuals drawn anew; the same points give the same laws."""
    x, y = np.array([p[0] for p in points]), np.log([p[1] for p in points])
    fitted = _log_loss(x, a, b, offset)
    residuals, rng = y - fitted, np.random.default_rng(0)
    if len(points) <= 2:
        return []
    laws = []
    for _ in range(DRAWS):
        losses = np.exp(fitted + rng.choice(residuals, len(x)))
        law = _refit(x, losses, (a, b, offset), straight=offset == 0.0)
        if law.b > 0:
            laws.append(law)
    return laws


def _refit(x: np.ndarray, losses: np.ndarray, start: tuple[float, float, float], straight: bool) -> PowerLaw:
    if straight:
        level, slope = _fit_line(np.log(x), np.log(losses))
        return PowerLaw(a=float(np.exp(level)), b=slope, points=[])
    a, b, offset = _fit_curve(x, losses, start)
    return PowerLaw(a=a, b=b, offset=offset, points=[])
