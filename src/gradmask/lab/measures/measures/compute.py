"""Compute ratio and penalty: a loss in the currency of training compute.

Baselines follow ℓ = a·C^(−b), C = 6·parameters·tokens (Shilov et al., arXiv 2512.05648, app. B). A model with loss ℓ is as good as
the no-filter baseline of loss ℓ₀ after the share C(ℓ)/C(ℓ₀) = (ℓ/ℓ₀)^(−1/b) of its compute: the compute ratio (*Modular
Pretraining Enables Access Control*, arXiv 2607.08077); the penalty is 1 minus it. Anchoring at ℓ₀ makes no filter's own ratio 1, so
that only b is taken from the fit.

The law may be fitted to the baseline's learning curve, or to ends of baselines of several sizes. On a learning curve the
learning rate has not come down at the points before the end, which makes b too steep and penalties too small; sizes do
not have that fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gradmask.errors import GradmaskError
from gradmask.lab.measures.findings import PowerLaw, Ratio

DRAWS = 1_000
EARLY = 0.2
"""The share of training that a learning curve's fit leaves out: warm-up follows no power law."""
LARGEST = 1e6
"""Ratios beyond are not told apart."""


def training_compute(parameters: int, tokens: int) -> float:
    """6·parameters·tokens floating-point operations."""
    return 6.0 * parameters * tokens


def fit_power_law(compute: Sequence[float], losses: Sequence[float]) -> PowerLaw:
    """Least squares of log ℓ = log a − b·log C.

    Raises:
        GradmaskError: fewer than two different amounts of compute, a loss or compute that is not above zero, or losses that
            do not fall with compute.
    """
    if len(compute) != len(losses) or len(set(compute)) < 2 or min([*compute, *losses]) <= 0:
        raise GradmaskError(
            f"a power law needs at least two points of different compute, all above zero; got compute {list(compute)} "
            f"and losses {list(losses)}"
        )
    a, b = _fit(np.log(compute), np.log(losses))
    if b <= 0:
        raise GradmaskError(
            f"the losses do not fall with compute (b = {b:.3g}), so that no loss can be told as compute: train longer, or "
            "give baselines of several sizes"
        )
    return PowerLaw(
        a=float(np.exp(a)), b=b, points=[(float(c), float(x)) for c, x in zip(compute, losses, strict=True)]
    )


def _fit(log_compute: np.ndarray, log_loss: np.ndarray) -> tuple[float, float]:
    slope, level = np.polyfit(log_compute, log_loss, 1)
    return float(level), float(-slope)


def curve_law(compute: Sequence[float], losses: Sequence[float]) -> PowerLaw:
    """`fit_power_law` of a learning curve, its first fifth left out."""
    kept = [(c, x) for c, x in zip(compute, losses, strict=True) if c >= EARLY * max(compute)]
    return fit_power_law([c for c, _ in kept], [x for _, x in kept])


def compute_ratio(law: PowerLaw, loss: float, baseline: float, seed: int = 0) -> Ratio:
    """C(loss) / C(baseline) under ``law``, with a 95 % interval: residuals of the fit are drawn again, and it is refitted.

    The interval tells how far the points leave b open, and nothing of seeds or of held-out text. With two points, which fix
    b, it has no width.
    """
    x, y = (np.log([point[i] for point in law.points]) for i in (0, 1))
    fitted = np.log(law.a) - law.b * x
    residuals, luck = y - fitted, np.random.default_rng(seed)
    slopes = [_fit(x, fitted + luck.choice(residuals, len(x)))[1] for _ in range(DRAWS)] if len(x) > 2 else [law.b]
    drawn = [_ratio(b, loss, baseline) for b in slopes if b > 0]
    low, high = np.quantile(drawn, [0.025, 0.975]) if drawn else (0.0, LARGEST)
    value = _ratio(law.b, loss, baseline)
    return Ratio(value=value, low=min(float(low), value), high=max(float(high), value))


def _ratio(b: float, loss: float, baseline: float) -> float:
    return float(min(np.exp(min(np.log(baseline / loss) / b, 700.0)), LARGEST))


def ratios(
    laws: Mapping[str, PowerLaw], losses: Mapping[str, Mapping[str, float]], baseline: Mapping[str, float]
) -> dict[str, dict[str, Ratio]]:
    """Series -> role -> compute ratio, for the roles that have a law."""
    return {
        name: {
            role: compute_ratio(laws[role], loss, baseline[role])
            for role, loss in by_role.items()
            if role in laws and role in baseline
        }
        for name, by_role in losses.items()
    }
