"""Parts of a tensor of experts of which groups own whole experts, neurons of the others, or both."""

from __future__ import annotations

import pytest
import torch

from gradmask.partitioning.kernel.layout import Layout
from gradmask.partitioning.kernel.nested import Nested

EXPERTS, ROWS, COLUMNS = 5, 4, 3


def nested(experts: dict[str, list[int]], inside: dict[str, list[int]], dim: int = 1) -> Nested:
    inner = Layout.carve((ROWS, COLUMNS)[dim - 1], inside, "retain")
    return Nested(Layout.carve(EXPERTS, experts, "retain"), inner, dim, (EXPERTS, ROWS, COLUMNS), "retain")


def owners(layout: Nested) -> list[list[set[str]]]:
    """Each entry's owner, read from parts of numbers: of each expert and position, over the third dimension."""
    whole = torch.arange(EXPERTS * ROWS * COLUMNS).view(EXPERTS, ROWS, COLUMNS)
    held = {group: set(layout.take(whole, group).flatten().tolist()) for group in layout.groups}
    assert sum(map(len, held.values())) == whole.numel()
    assert set().union(*held.values()) == set(whole.flatten().tolist())
    moved = whole.movedim(layout.dim, 1)
    return [[{g for g in held if set(row.tolist()) & held[g]} for row in expert] for expert in moved]


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("inside", [{"a": [0, 2]}, {"b": [2]}, {"a": [1], "b": [0]}])
@pytest.mark.parametrize("experts", [{}, {"a": [1, 4]}, {"a": [0], "c": [2, 3]}])
def test_parts_hold_every_entry_once_and_make_the_whole_again(experts: dict, inside: dict, dim: int) -> None:
    layout, whole = nested(experts, inside, dim), torch.randn(EXPERTS, ROWS, COLUMNS)
    parts = {group: layout.take(whole, group).clone() for group in layout.groups}
    assert torch.equal(layout.assemble(parts), whole)
    of_expert = {i: g for g, own in experts.items() for i in own}
    of_neuron = {i: g for g, own in inside.items() for i in own}
    for expert, row in enumerate(owners(layout)):
        for neuron, found in enumerate(row):
            assert found == {of_expert.get(expert) or of_neuron.get(neuron, "retain")}


def test_a_part_keeps_three_dimensions_but_where_no_rectangle_holds_it() -> None:
    whole = torch.randn(EXPERTS, ROWS, COLUMNS)
    layout = nested({"a": [1], "c": [0]}, {"a": [0], "b": [3]})
    shapes = {group: tuple(layout.take(whole, group).shape) for group in layout.groups}
    assert shapes == {"retain": (3, 2, 3), "a": (ROWS * COLUMNS + 3 * COLUMNS,), "b": (3, 1, 3), "c": (1, 4, 3)}
