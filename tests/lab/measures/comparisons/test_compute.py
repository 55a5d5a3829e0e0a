from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from gradmask.errors import GradmaskError
from gradmask.lab.measures.comparisons.compute import compute_ratio, curve_law, fit_power_law, ratios, training_compute

SPENT = [1e12, 2e12, 4e12, 8e12]


@given(st.floats(1, 1e4), st.floats(0.05, 0.5))
def test_a_power_law_is_found_and_its_losses_become_compute(a: float, b: float) -> None:
    law = fit_power_law(SPENT, [a * c**-b for c in SPENT])
    assert law.b == pytest.approx(b, rel=1e-6)
    assert law.a == pytest.approx(a, rel=1e-4)
    end = a * SPENT[-1] ** -b
    half = compute_ratio(law, a * (SPENT[-1] / 2) ** -b, end)
    assert half.value == pytest.approx(0.5, rel=1e-6)
    assert half.low == pytest.approx(half.high, rel=1e-5)
    assert compute_ratio(law, end, end).value == pytest.approx(1)


def test_points_off_the_law_leave_it_open() -> None:
    law = fit_power_law(SPENT, [5.0, 4.55, 4.0, 3.7])
    found = compute_ratio(law, 4.5, 3.7)
    assert found.low < found.value < found.high
    assert compute_ratio(law, 4.5, 3.7) == found
    better = compute_ratio(law, 3.5, 3.7)
    assert better.value > 1
    two = compute_ratio(fit_power_law(SPENT[:2], [5.0, 4.5]), 4.7, 4.5)
    assert two.low == two.value == two.high


def test_the_start_of_a_learning_curve_is_left_out() -> None:
    spent = [1e11, *SPENT]
    law = curve_law(spent, [99.0, *(10 * c**-0.1 for c in SPENT)])
    assert law.b < 1
    assert [c for c, _ in law.points] == [c for c in SPENT if c >= 0.2 * 8e12]


@pytest.mark.parametrize(
    ("spent", "losses", "words"),
    [
        ([1e12], [4.0], "at least two points of different compute"),
        ([1e12, 1e12], [4.0, 5.0], "at least two points of different compute"),
        ([1e12, 2e12], [4.0, -1.0], "all above zero"),
        ([1e12, 2e12], [4.0, 4.5], "the losses do not fall with compute"),
    ],
)
def test_what_cannot_be_fitted_is_said(spent: list[float], losses: list[float], words: str) -> None:
    with pytest.raises(GradmaskError, match=words):
        fit_power_law(spent, losses)


def test_only_roles_with_a_law_have_a_ratio() -> None:
    law = fit_power_law(SPENT, [5.0, 4.5, 4.0, 3.7])
    found = ratios({"forget": law}, {"x": {"forget": 4.0, "retain": 3.0}}, {"forget": 3.7})
    assert set(found["x"]) == {"forget"}
    assert training_compute(10, 100) == 6000
