from __future__ import annotations

import pytest
import torch
from hypothesis import given, strategies as st

from gradmask import GradmaskError
from gradmask.partitioning.kernel.layout import Along, Layout


@given(st.lists(st.sampled_from(["retain", "a", "b"]), min_size=1, max_size=30), st.integers(0, 1))
def test_taking_parts_and_assembling_them_is_the_identity(owners: list[str], dim: int) -> None:
    positions = {g: tuple(i for i, o in enumerate(owners) if o == g) for g in dict.fromkeys(owners)}
    layout = Layout(len(owners), positions)
    whole = torch.randn(len(owners), 3) if dim == 0 else torch.randn(3, len(owners))
    parts = {group: layout.take(whole, group, dim) for group in layout.groups}
    for group, part in parts.items():
        assert torch.equal(part, whole.index_select(dim, torch.tensor(positions[group])))
    assert torch.equal(layout.assemble(parts, dim), whole)


def test_carve_leaves_the_rest_and_drops_empty_groups() -> None:
    layout = Layout.carve(6, {"a": [4, 1], "b": []}, rest="retain")
    assert layout.positions == {"retain": (0, 2, 3, 5), "a": (1, 4)}
    assert layout.count("b") == 0


@pytest.mark.parametrize("positions", [{"a": (0, 1), "b": (1, 2)}, {"a": (0,)}, {"a": (0, 1, 3)}])
def test_a_layout_gives_each_position_once(positions: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(GradmaskError, match="exactly one group"):
        Layout(3, positions)


def test_a_layout_along_a_dimension_of_its_own() -> None:
    whole = torch.arange(12).view(2, 3, 2)
    along = Along(Layout.carve(3, {"a": (2, 0)}, "retain"), 1)
    assert torch.equal(along.take(whole, "a"), whole[:, [0, 2]])
    assert torch.equal(along.take(whole, "retain", 2), whole[:, [1]])  # whatever dimension is asked for
    parts = {group: along.take(whole, group) for group in along.groups}
    assert torch.equal(along.assemble(parts), whole)
    assert torch.equal(along.without(whole, ["a"]), whole[:, [1]])
    assert (along.size, along.positions["a"]) == (3, (0, 2))
