"""Parts that lie side by side in memory: nothing but copies is saved, and whatever moves a parameter stays correct."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor, nn

import gradmask as gm
from gradmask.partitioning.kernel.call import Call, Geometry, call_for
from gradmask.partitioning.kernel.layout import Layout
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.matmul import RoutedMatmul
from gradmask.partitioning.kernel.merging import merge, used_weight
from gradmask.partitioning.kernel.route import Route
from gradmask.partitioning.kernel.storage import lay_side_by_side, side_by_side
from tiny import tiny, tokens

GROUPS = ("retain", "a", "b")


def split_layers(model: nn.Module) -> dict[str, SplitLinear]:
    return {name: module for name, module in model.named_modules() if isinstance(module, SplitLinear)}


def partitioned() -> nn.Module:
    return gm.partition(tiny(), {"a": gm.Slice(heads=1, neurons=8), "b": gm.Slice(neurons=[0, 1, 2])})


def joined(layer: SplitLinear) -> Tensor | None:
    order = layer.geometry.order
    return side_by_side([layer.weights[i] for i in order]) if order else None


def test_out_split_layers_of_neighbouring_positions_are_read_in_place() -> None:
    layers = split_layers(partitioned())
    for name, layer in layers.items():
        whole = joined(layer)
        assert (whole is None) == (layer.geometry.split == "in"), name
        if whole is not None:
            assert torch.equal(whole, layer.weight)
            assert whole.untyped_storage().data_ptr() == layer.weights[0].untyped_storage().data_ptr()
            call = call_for(layer.geometry, Route())
            with torch.no_grad():
                assert used_weight(call, layer.weights, whole.dtype).data_ptr() == whole.data_ptr()
    assert any(layer.geometry.order and layer.geometry.order[0] != 0 for layer in layers.values()), (
        "a group comes first"
    )


def test_a_step_on_one_part_is_no_change_of_another() -> None:
    parts = [nn.Parameter(torch.randn(n, 4)) for n in (3, 2)]
    lay_side_by_side(parts)
    loss = (parts[1] ** 2).sum()  # saves the second part
    with torch.no_grad():
        parts[0].add_(1.0)
    loss.backward()
    again = (parts[1] ** 2).sum()
    with torch.no_grad():
        parts[1].add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        again.backward()


def by_pickle(model: nn.Module) -> nn.Module:
    linear, buffer = next(iter(split_layers(model).values())), io.BytesIO()
    torch.save(linear, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize(
    "move", [copy.deepcopy, by_pickle, lambda m: copy.deepcopy(m).to(torch.float64)], ids=["copied", "pickled", "cast"]
)
def test_a_copy_lies_side_by_side_too_and_shares_nothing(move: Callable[[nn.Module], nn.Module]) -> None:
    model = partitioned()
    before = {name: layer.weight.clone() for name, layer in split_layers(model).items()}
    moved = move(model)
    layers = [moved] if isinstance(moved, SplitLinear) else list(split_layers(moved).values())
    assert all((joined(layer) is None) == (layer.geometry.split == "in") for layer in layers)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.zero_()
    assert all(torch.equal(layer.weight, before[name]) for name, layer in split_layers(model).items())


def test_a_replaced_parameter_costs_a_copy_and_nothing_else() -> None:
    model, ids = partitioned(), tokens()
    expected = model(input_ids=ids, labels=ids, data_labels="a").loss
    expected.backward()
    grads = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    for layer in split_layers(model).values():
        for name, parameter in list(layer._parameters.items()):
            layer._parameters[name] = nn.Parameter(parameter.detach().clone())  # type: ignore[union-attr]
        assert joined(layer) is None or len(layer.weights) == 1
    found = model(input_ids=ids, labels=ids, data_labels="a").loss
    found.backward()
    assert torch.equal(found, expected)
    for name, parameter in model.named_parameters():
        grad = grads[name]
        assert (grad is None) == (parameter.grad is None), name
        assert grad is None or torch.equal(grad, parameter.grad), name  # type: ignore[arg-type]


def test_neighbours_in_memory_by_chance_are_not_joined() -> None:
    array = np.zeros((5, 4), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = [torch.from_numpy(array[:3]), torch.from_numpy(array[3:])]
    assert parts[1].data_ptr() == parts[0].data_ptr() + parts[0].nbytes
    assert side_by_side(parts) is None
    whole = torch.from_numpy(array)
    assert side_by_side([whole[:3], whole[3:]]) is not None
    assert side_by_side([whole[3:], whole[:3]]) is None
    assert side_by_side([whole[:2], whole[3:]]) is None


@settings(max_examples=150, deadline=None)
@given(
    split=st.sampled_from(["in", "out"]),
    transposed=st.booleans(),
    assigned=st.lists(st.sampled_from(GROUPS), min_size=8, max_size=8),
    silent=st.sets(st.sampled_from(GROUPS)),
    dtype=st.sampled_from([torch.float64, torch.float32]),
)
def test_silence_is_zeros_in_the_weight(
    split: str, transposed: bool, assigned: list[str], silent: set[str], dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    layout = Layout(8, {g: tuple(i for i, owner in enumerate(assigned) if owner == g) for g in GROUPS if g in assigned})
    geometry = Geometry(split, transposed, layout, layout, None)  # type: ignore[arg-type]
    out_first = (8, 8) if split == "in" else (8, 3)
    plain = torch.randn(out_first[::-1] if transposed else out_first)
    parts = [nn.Parameter(layout.take(plain, g, geometry.dim).clone()) for g in layout.groups]
    if geometry.order:
        lay_side_by_side([parts[i] for i in geometry.order])
    zeroed = plain.clone()
    for group in silent & set(layout.groups):
        zeroed.index_fill_(geometry.dim, torch.tensor(layout.positions[group]), 0)
    weight = (zeroed if transposed else zeroed.t()).to(dtype).requires_grad_()
    x = torch.randn(5, weight.shape[0], dtype=dtype, requires_grad=True)
    dy = torch.randn(5, weight.shape[1], dtype=dtype)
    route = Route(runs=dict.fromkeys(silent, False), learns=dict.fromkeys(silent, False))

    y = RoutedMatmul.apply(x, call_for(geometry, route), *parts)
    expected = x.detach().requires_grad_()
    (expected @ weight).backward(dy)
    torch.testing.assert_close(y, x @ weight)
    if not set(layout.groups) <= silent:
        y.backward(dy)
        torch.testing.assert_close(x.grad, expected.grad)
    assert weight.grad is not None
    whole = weight.grad if transposed else weight.grad.t()  # type: ignore[union-attr]
    for group, part in zip(layout.groups, parts, strict=True):
        if group in silent or set(layout.groups) <= silent:
            assert part.grad is None
        else:
            torch.testing.assert_close(part.grad, layout.take(whole, group, geometry.dim).to(part.dtype))


@pytest.mark.parametrize("split", ["in", "out"])
def test_parts_that_are_cast_as_they_are_merged_are_the_same_numbers(split: str) -> None:
    layout = Layout(6, {"retain": (0, 2, 3), "a": (1, 4), "b": (5,)})
    geometry = Geometry(split, False, layout, layout, None)  # type: ignore[arg-type]
    plain = torch.randn((6, 4) if split == "out" else (4, 6))
    parts = [layout.take(plain, g, geometry.dim).clone() for g in layout.groups]
    call = Call(geometry, (True,) * 3, (), silent=("b",))
    with torch.no_grad():
        cast = merge(call, parts, torch.bfloat16)
    assert cast.is_contiguous()
    assert torch.equal(cast, merge(call, parts, torch.float32).to(torch.bfloat16))
    assert cast.narrow(geometry.dim, 5, 1).count_nonzero() == 0
    assert cast.count_nonzero() == 20
