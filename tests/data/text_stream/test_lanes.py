"""Files are divided among lanes evenly, or there are fewer lanes."""

from __future__ import annotations

import pytest

from gradmask.data.text_stream.lanes import divided, lane_count
from gradmask.errors import GradmaskError


def test_every_file_is_in_one_lane_and_lanes_are_even() -> None:
    sizes = [5, 9, 1, 7, 3, 8, 2, 5]
    lanes = divided(sizes, 4)
    assert sorted(file for lane in lanes for file in lane) == list(range(8))
    assert [sum(sizes[file] for file in lane) for lane in lanes] == [10, 10, 10, 10]


@pytest.mark.parametrize(
    ("sizes", "places", "count"),
    [
        ([1] * 100, 128, 32),
        ([1] * 128, 128, 64),
        ([1] * 8, 128, 8),
        ([1] * 8, 12, 4),
        ([1] * 3, 4, 1),
        ([100, 1, 1, 1], 8, 1),
        ([1], 8, 1),
    ],
)
def test_as_many_lanes_as_can_be_even(sizes: list[int], places: int, count: int) -> None:
    assert lane_count(sizes, places) == count


def test_what_is_asked_for_is_given_or_refused() -> None:
    assert lane_count([1] * 3, 4, asked=2) == 2
    with pytest.raises(GradmaskError, match="lanes is 4, but there are 3 files"):
        lane_count([1] * 3, 4, asked=4)
    with pytest.raises(GradmaskError, match="take a divisor of 4"):
        lane_count([1] * 3, 4, asked=3)
