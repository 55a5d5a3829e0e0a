from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from gradmask.lab.report.charts.spread import spread


def test_values_with_room_stay() -> None:
    assert spread([3.0, 1.0, 2.0], 0.5) == [3.0, 1.0, 2.0]


def test_crowded_values_part_evenly_around_their_middle() -> None:
    assert spread([1.0, 1.0], 1.0) == [0.5, 1.5]
    assert spread([2.0, 2.1, 9.0], 1.0) == pytest.approx([1.55, 2.55, 9.0])


@given(st.lists(st.floats(-5, 5), max_size=9), st.floats(0.01, 2))
def test_order_is_kept_and_no_two_touch(values: list[float], gap: float) -> None:
    moved = spread(values, gap)
    pairs = sorted(zip(values, moved, strict=True))
    assert all(b - a >= gap - 1e-9 for (_, a), (_, b) in pairwise(pairs))
    if values:
        assert sum(moved) == pytest.approx(sum(values), abs=1e-6)
