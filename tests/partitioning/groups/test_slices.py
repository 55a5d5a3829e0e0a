from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from gradmask import GradmaskError, Slice
from gradmask.partitioning.groups.slices import allocate


def test_counts_come_from_the_end_in_the_order_of_the_groups() -> None:
    assert allocate("mlp", "neurons", 10, {"a": 2, "b": 3}) == {"a": [5, 6], "b": [7, 8, 9]}


def test_shares_indices_and_counts_together() -> None:
    assert allocate("mlp", "neurons", 10, {"a": [9, 0], "b": 0.2, "c": 1}) == {"a": [0, 9], "b": [6, 7], "c": [8]}


def test_negative_indices_count_from_the_end() -> None:
    assert allocate("mlp", "neurons", 10, {"a": [-1]}) == {"a": [9]}


def test_units_that_cannot_be_taken_apart_are_rounded_up_to_whole_blocks() -> None:
    assert allocate("attention", "heads", 8, {"a": 1}, step=4) == {"a": [4, 5, 6, 7]}


@given(st.integers(1, 40), st.lists(st.integers(0, 20), min_size=1, max_size=4))
def test_allocation_is_disjoint_and_as_large_as_asked(total: int, counts: list[int]) -> None:
    amounts = {f"g{i}": count for i, count in enumerate(counts)}
    if sum(counts) > total:
        with pytest.raises(GradmaskError, match="ask for fewer"):
            allocate("mlp", "neurons", total, amounts)
        return
    chosen = allocate("mlp", "neurons", total, amounts)
    flat = [i for indices in chosen.values() for i in indices]
    assert len(flat) == len(set(flat)) == sum(counts)
    assert {g: len(v) for g, v in chosen.items()} == amounts
    assert all(0 <= i < total for i in flat)


def test_a_group_larger_than_the_layer_is_refused_by_name() -> None:
    with pytest.raises(GradmaskError, match=r"model\.layers\.0 has 4 heads, but the groups ask for 9 \('forget' 9\)"):
        allocate("model.layers.0", "heads", 4, {"forget": 9})


def test_two_groups_cannot_share_a_unit() -> None:
    with pytest.raises(GradmaskError, match="groups 'a' and 'b' both ask for index 3"):
        allocate("mlp", "neurons", 10, {"a": [3], "b": [3]})


def test_an_index_out_of_range_is_refused() -> None:
    with pytest.raises(GradmaskError, match="index 10 of the neurons of mlp, which has 10"):
        allocate("mlp", "neurons", 10, {"a": [10]})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "empty slice"),
        ({"heads": -1}, "heads=-1"),
        ({"heads": True}, "heads=True"),
        ({"neurons": 1.5}, r"neurons=1\.5"),
        ({"neurons": "64"}, "neurons='64'"),
        ({"neurons": [1, 1]}, "distinct integers"),
    ],
)
def test_a_senseless_slice_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(GradmaskError, match=message):
        Slice(**fields)
