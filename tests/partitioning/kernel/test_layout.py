from __future__ import annotations

import pytest
import torch
from hypothesis import given, strategies as st

from gradmask import GradmaskError
from gradmask.partitioning.kernel.layout import Layout


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
