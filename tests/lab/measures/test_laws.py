from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from golden import golden
from gradmask.errors import GradmaskError
from gradmask.lab.measures.laws import PowerLaw, compute_ratio, fit_learning_curves, fit_sizes

SPENT = [1e12, 2e12, 4e12, 8e12]
STEPS = [10.0, 20.0, 40.0, 80.0, 160.0, 320.0]


@given(st.floats(2.0, 50.0), st.floats(0.05, 0.4), st.floats(-9.0, 200.0))
@settings(max_examples=25)
def test_a_curve_that_follows_the_law_gives_it_back(a: float, b: float, offset: float) -> None:
    losses = [a * (s + offset) ** -b for s in STEPS]
    law = fit_learning_curves([(STEPS, losses)])
    for step, loss in zip(STEPS, losses, strict=True):
        assert law.equivalent(loss) == pytest.approx(step, rel=1e-2)
    assert compute_ratio(law, losses[-2], losses[-1:]).value == pytest.approx(0.5, rel=1e-2)


def test_the_ratio_is_over_the_mean_of_the_ends_and_goes_beyond_training() -> None:
    law = PowerLaw(a=10.0, b=0.5, offset=1.0, points=[])
    assert law.equivalent(1.0) == pytest.approx(99.0)
    assert compute_ratio(law, 1.0, [2.0, 1.0]).value == pytest.approx(99.0 / ((24.0 + 99.0) / 2))
    assert compute_ratio(law, 0.5, [1.0]).value == pytest.approx(399.0 / 99.0)
    assert compute_ratio(law, 1e9, [1.0]).value == pytest.approx(1e-3 / 99.0)


def test_published_ratios() -> None:
    values = golden("metrics/compute_ratio.json")
    fitted = {}
    for curve in values["curves"]:
        points = [(p["step"], p["loss"]) for p in curve["points"].values()]
        ends = list(curve["baseline_final_loss"].values())
        fitted[curve["name"]] = law, _ = fit_learning_curves(points), ends
        assert (law.a, law.b, law.offset) == pytest.approx(tuple(curve["fit"].values()), rel=1e-6)
        if (single := curve.get("single_run")) is None:
            continue
        own = curve["points"][single["seed"]]
        alone = fit_learning_curves([(own["step"], own["loss"])])
        for pair in single["pairs"]:
            end = [curve["baseline_final_loss"][single["seed"]]]
            assert compute_ratio(alone, pair["loss"], end).value == pytest.approx(pair["ratio"], abs=1e-6)
    for pair in values["pairs"]:
        law, ends = fitted[pair["curve"]]
        assert law.equivalent(pair["loss"]) == pytest.approx(pair["step_equivalent"], rel=1e-6)
        assert law.equivalent(pair["loss"]) / (sum(map(law.equivalent, ends)) / len(ends)) == pytest.approx(
            pair["ratio"], abs=1e-6
        )


def test_points_off_the_law_leave_it_open() -> None:
    law = fit_sizes(SPENT, [5.0, 4.55, 4.0, 3.7])
    found = compute_ratio(law, 4.5, [3.7])
    assert found.low < found.value < found.high
    assert compute_ratio(law, 4.5, [3.7]) == found
    two = compute_ratio(fit_sizes(SPENT[:2], [5.0, 4.5]), 4.7, [4.5])
    assert two.low == two.value == two.high
    curve = fit_learning_curves([(STEPS, [6.0, 5.1, 4.6, 4.0, 3.8, 3.5])])
    found = compute_ratio(curve, 4.0, [3.5])
    assert found.low < found.value < found.high < 1


@given(st.floats(1, 1e4), st.floats(0.05, 0.5))
def test_sizes_on_a_straight_law(a: float, b: float) -> None:
    law = fit_sizes(SPENT, [a * c**-b for c in SPENT])
    assert (law.b, law.offset) == (pytest.approx(b, rel=1e-6), 0.0)
    end = a * SPENT[-1] ** -b
    assert compute_ratio(law, a * (SPENT[-1] / 2) ** -b, [end]).value == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("spent", "losses", "words"),
    [
        ([1e12], [4.0], "at least two points of different compute"),
        ([1e12, 1e12], [4.0, 5.0], "at least two points of different compute"),
        ([1e12, 2e12], [4.0, -1.0], "all above zero"),
        ([1e12, 2e12], [4.0, 4.5], "the losses do not fall with compute"),
    ],
)
def test_sizes_that_cannot_be_fitted(spent: list[float], losses: list[float], words: str) -> None:
    with pytest.raises(GradmaskError, match=words):
        fit_sizes(spent, losses)


def test_curves_that_cannot_be_fitted() -> None:
    with pytest.raises(GradmaskError, match="at least three points"):
        fit_learning_curves([([0, 10, 20], [5.0, 4.0, 3.0])])
    with pytest.raises(GradmaskError, match="do not fall"):
        fit_learning_curves([(STEPS, [4.0, 4.1, 4.2, 4.3, 4.4, 4.5])])
