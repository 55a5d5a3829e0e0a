"""Means and intervals against scipy's own, and what they cannot be of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from gradmask.lab.compare.statistics import estimate, interval


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8))
def test_the_interval_is_students(values: list[float]) -> None:
    mean, low, high = interval(values)
    error = stats.sem(values)
    assert mean == pytest.approx(np.mean(values))
    if error > 0:
        assert (low, high) == pytest.approx(stats.t.interval(0.95, len(values) - 1, loc=mean, scale=error))


def test_by_hand() -> None:
    mean, low, high = interval([1.0, 2.0, 3.0])
    assert (mean, high) == (2.0, pytest.approx(2.0 + 4.302653 / math.sqrt(3)))
    assert low == pytest.approx(2.0 - 4.302653 / math.sqrt(3))


def test_a_single_value_has_no_interval_and_none_has_no_mean() -> None:
    found = estimate({3: 1.5})
    assert found is not None
    assert (found.mean, found.low, found.high, found.reach) == (1.5, None, None, 0.0)
    assert estimate({}) is None
    assert estimate({0: 1.0, 1: math.inf}) is None
