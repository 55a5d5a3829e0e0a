"""Means over seeds and their confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel
from scipy import stats

from gradmask.lab.measures.measure import STRICT

LEVEL = 0.95


class Estimate(BaseModel):
    """A mean over seeds; ``low`` and ``high`` are the ends of its 95 % interval (Student's t), None for a single value."""

    model_config = STRICT

    mean: float
    low: float | None = None
    high: float | None = None
    values: dict[int, float]
    """Seed -> value."""

    @property
    def reach(self) -> float:
        """Half the width of the interval; 0 where there is none."""
        return 0.0 if self.high is None else self.high - self.mean


def estimate(values: dict[int, float]) -> Estimate | None:
    """The mean and its interval; None without a value. Values are taken as independent and about normal."""
    found = [value for value in values.values() if math.isfinite(value)]
    if not found or len(found) < len(values):
        return None
    mean, low, high = interval(found)
    return Estimate(mean=mean, low=low, high=high, values=values)


def interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """(mean, low, high); low and high are None for a single value."""
    mean, n = float(np.mean(values)), len(values)
    if n < 2:
        return mean, None, None
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return mean, mean - reach, mean + reach
