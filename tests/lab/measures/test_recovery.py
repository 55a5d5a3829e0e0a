"""The way back under attack, against curves worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from gradmask.lab.measures.attacks.relearning import Attempt, RecoveryPoint, Relearning
from gradmask.lab.measures.recovery import area_between, behind, envelope, steps_back, steps_to


def attack(rate: float, *curve: tuple[int, float]) -> Attempt:
    points = [RecoveryPoint(step=s, tokens=s, losses={"forget": x}) for s, x in curve]
    return Attempt(method="full", data="forget", learning_rate=rate, curve=points)


def relearned(*attacks: Attempt) -> Relearning:
    return Relearning(target=5.0, steps=20, batch_size=8, tokens_per_step=128, attacks=list(attacks))


def test_the_best_attack_so_far_counts() -> None:
    fast = attack(1e-3, (0, 9.0), (2, 6.0), (4, 6.4))
    slow = attack(1e-4, (0, 9.0), (4, 7.0), (8, 5.0))
    # at 6 nobody has looked; after 4 the fast one was stopped, and what it had is not lost
    assert envelope(relearned(fast, slow)) == [(0.0, 9.0), (2.0, 6.0), (4.0, 6.0), (8.0, 5.0)]
    assert envelope(relearned(slow, fast)) == envelope(relearned(fast, slow))


def test_steps_to_most_of_the_way() -> None:
    curve = [(0.0, 9.0), (2.0, 6.0), (4.0, 6.0), (8.0, 5.0)]
    assert steps_back(curve, start=9.0, target=5.0, share=0.5) == pytest.approx(4 / 3)
    assert steps_back(curve, start=9.0, target=5.0) == pytest.approx(4 + 4 * (6.0 - 5.4))
    assert steps_back(curve, start=9.0, target=4.0) is None
    assert steps_back([(0.0, 5.3), (4.0, 5.2)], start=9.0, target=5.0) == 0.0, "never far away"


@given(st.lists(st.lists(st.floats(0, 10), min_size=1, max_size=5), min_size=1, max_size=3))
def test_the_envelope_falls_and_is_below_every_attack(losses: list[list[float]]) -> None:
    attacks = [attack(10.0**-i, *enumerate(curve)) for i, curve in enumerate(losses)]
    found = envelope(relearned(*attacks))
    levels = dict(found)
    assert [x for _, x in found] == sorted((x for _, x in found), reverse=True)
    assert all(levels[s] <= x + 1e-12 for curve in losses for s, x in enumerate(curve))
    assert min(levels.values()) == pytest.approx(min(min(curve) for curve in losses))


def curve(*points: tuple[int, float]) -> list[RecoveryPoint]:
    return [RecoveryPoint(step=step, tokens=10 * step, losses={"forget": loss}) for step, loss in points]


def test_behind_is_three_quarters_of_the_best() -> None:
    best = curve((0, 8.0), (10, 4.0))
    assert not behind(curve((0, 8.0), (10, 4.9)), best)
    assert behind(curve((0, 8.0), (10, 5.1)), best)
    assert not behind(curve((0, 8.0), (5, 6.2)), best)


def test_steps_between_points_are_read_off_a_straight_line() -> None:
    points = curve((0, 6.0), (4, 5.0), (8, 3.0))
    assert steps_to(points, 5.0) == 4
    assert steps_to(points, 4.0) == 6
    assert steps_to(points, 7.0) == 0
    assert steps_to(points, 2.9) is None
    assert steps_to(points, None) is None


@given(st.floats(-3, 3), st.lists(st.floats(1, 9), min_size=3, max_size=3))
def test_the_area_of_a_shifted_curve_is_the_shift(shift: float, losses: list[float]) -> None:
    never_trained = curve(*zip((0, 3, 10), losses, strict=True))
    lower = curve(*zip((0, 3, 10), (loss - shift for loss in losses), strict=True))
    assert area_between(lower, never_trained) == pytest.approx(shift, abs=1e-9)
