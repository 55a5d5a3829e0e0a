"""How parts become the weight and the bias of one call, and what their entries of silent groups are."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from gradmask.partitioning.kernel.call import Call, Geometry
from gradmask.partitioning.kernel.layout import Layout
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.merging import merge, merge_bias
from gradmask.partitioning.kernel.route import RoutingContext
from gradmask.partitioning.kernel.silencing import unit_views, zero_units
from gradmask.partitioning.kernel.spied import Spied
from gradmask.partitioning.kernel.zero_gradients import in_joint_optimizer
from tiny import DEVICE

UNITS = Layout.carve(4, {"a": (1, 2)}, "retain")
WHOLE = Layout.whole(4, "retain")
SQUARE = torch.arange(1.0, 17.0).view(4, 4)


def geometry(split: Literal["in", "out"], parts: Layout = UNITS, bias: Layout | None = None) -> Geometry:
    return Geometry(split, False, parts, UNITS, bias)


def call(form: Geometry, silent: tuple[str, ...] = (), scales: tuple[tuple[str, float], ...] = ()) -> Call:
    count = len(form.bias.groups) if form.bias else 0
    return Call(form, (True,) * len(form.parts.groups), (True,) * count, silent, scales)


@pytest.mark.parametrize("layout", [UNITS, WHOLE], ids=["own", "joint"])
@pytest.mark.parametrize("split", ["in", "out"])
def test_silent_entries_of_a_bias_are_zero_where_rows_are_silent(split: Literal["in", "out"], layout: Layout) -> None:
    bias = torch.tensor([1.0, 2.0, 3.0, 4.0])
    biases = [layout.take(bias, group, 0).clone() for group in layout.groups]
    form = geometry(split, bias=layout)
    assert merge_bias(call(form), biases, bias.dtype).tolist() == [1, 2, 3, 4]
    expected = [1, 0, 0, 4] if split == "out" else [1, 2, 3, 4]
    assert merge_bias(call(form, ("a",)), biases, bias.dtype).tolist() == expected
    kept = layout.assemble(dict(zip(layout.groups, biases, strict=True)), 0)
    assert torch.equal(kept, bias)  # the parts are as before


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("layout", [UNITS, WHOLE], ids=["own", "joint"])
def test_a_merged_weight_is_silenced_and_scaled(layout: Layout, grad: bool, dtype: torch.dtype) -> None:
    for split, dim in (("out", 0), ("in", 1)):
        parts = [layout.take(SQUARE, group, dim).clone() for group in layout.groups]
        form = geometry(split, layout)
        with torch.set_grad_enabled(grad):
            assert torch.equal(merge(call(form), parts, dtype), SQUARE.to(dtype))
            silent, scaled = merge(call(form, ("a",)), parts, dtype), merge(call(form, (), (("a", 0.5),)), parts, dtype)
        factor = torch.tensor([1.0, 0.0, 0.0, 1.0]).view((-1, 1) if split == "out" else (1, -1))
        assert torch.equal(silent, (SQUARE * factor).to(dtype))
        assert torch.equal(scaled, (SQUARE * (1 + factor) / 2).to(dtype))
        assert all(torch.equal(p, layout.take(SQUARE, g, dim)) for g, p in zip(layout.groups, parts, strict=True))


def test_units_are_zeroed_along_a_dimension() -> None:
    form = geometry("out")
    rows, columns, neither = SQUARE.clone(), SQUARE.clone(), SQUARE.clone()
    zero_units(form, rows, ["a"], 0)
    zero_units(form, columns, iter(["a", "unknown"]), 1)
    zero_units(form, neither, [], 0)
    keep = torch.tensor([1.0, 0.0, 0.0, 1.0])
    assert torch.equal(rows, SQUARE * keep[:, None])
    assert torch.equal(columns, SQUARE * keep)
    assert torch.equal(neither, SQUARE)
    views = unit_views(geometry("in"), SQUARE, "a").views
    assert torch.equal(torch.cat(views, 1), SQUARE[:, 1:3])


def test_units_of_a_sharded_tensor_are_zeroed(one_rank: object) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    sharded = distribute_tensor(SQUARE.clone(), init_device_mesh("cpu", (1,)), [Shard(0)])
    zero_units(geometry("out"), sharded, ["a"], 0)
    assert torch.equal(sharded.full_tensor().to(DEVICE), SQUARE * torch.tensor([1.0, 0.0, 0.0, 1.0])[:, None])


@pytest.fixture
def one_rank() -> object:
    import torch.distributed as dist

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("split", ["out", "in"])
def test_parts_have_memory_of_their_own(split: Literal["in", "out"]) -> None:
    weight = nn.Parameter(SQUARE.t().clone().t())  # not contiguous: the parts lie side by side all the same
    layout = Layout.carve(4, {"a": (2, 3)}, "retain")
    layer = SplitLinear(weight, None, Geometry(split, False, layout, layout, None), RoutingContext(("retain", "a")))
    assert torch.equal(layer.weight, weight)
    with torch.no_grad():
        layer.weight.zero_()
    assert torch.equal(weight, SQUARE)
    assert all(part.is_contiguous() for part in layer.weights)
    x = torch.ones(1, 4)
    assert torch.equal(layer(x), torch.zeros(1, 4))


@pytest.mark.parametrize("assign", [False, True])
def test_a_state_that_is_assigned_brings_its_number_format(assign: bool) -> None:
    layer = SplitLinear(nn.Parameter(torch.zeros(4, 4)), None, geometry("out"), RoutingContext(("retain", "a")))
    before = layer.weights
    layer.load_state_dict({"weight": SQUARE.bfloat16()}, assign=assign)
    assert {part.dtype for part in layer.weights} == {torch.bfloat16 if assign else torch.float32}
    assert torch.equal(layer.weight, SQUARE.to(layer.weight.dtype))
    assert all((new is old) is not assign for new, old in zip(layer.weights, before, strict=True))


def test_a_state_dict_holds_merged_weights_as_whoever_asks_wants_them() -> None:
    """A copy that was merged may be taken elsewhere at once; a parameter itself never."""
    context = RoutingContext(("retain", "a"))
    context.store = lambda whole: whole.detach().clone().bfloat16()
    for layout, dtype in ((UNITS, torch.bfloat16), (WHOLE, torch.float32)):
        layer = SplitLinear(nn.Parameter(SQUARE.clone()), None, geometry("out", layout), context)
        (value,) = layer.state_dict().values()
        assert value.dtype == dtype
        assert torch.equal(value.float(), SQUARE)


def test_an_attribute_is_read_from_the_first_part() -> None:
    layer = SplitLinear(nn.Parameter(SQUARE.clone()), None, geometry("out"), RoutingContext(("retain", "a")))
    layer.weights[0].note = "first"  # type: ignore[missing-attribute]
    assert layer.weight.note == "first"  # type: ignore[missing-attribute]
    layer.weights[1].other = "second"  # type: ignore[missing-attribute]
    assert not hasattr(layer.weight, "other")


@pytest.mark.parametrize(
    ("split", "parts", "bias", "expected"),
    [
        ("out", UNITS, UNITS, {"weight_a": False, "bias_a": False}),
        ("out", UNITS, WHOLE, {"weight_a": False, "bias_retain": True}),
        ("out", WHOLE, UNITS, {"weight_retain": True, "bias_a": False}),
        ("in", UNITS, WHOLE, {"weight_a": True, "bias_retain": True}),
    ],
)
def test_the_published_split_keeps_rows_in_optimizers_of_their_own(
    split: Literal["in", "out"], parts: Layout, bias: Layout, expected: dict[str, bool]
) -> None:
    weight, entries = nn.Parameter(SQUARE.clone()), nn.Parameter(torch.ones(4))
    layer = SplitLinear(weight, entries, geometry(split, parts, bias), RoutingContext(("retain", "a")))
    found = {name: in_joint_optimizer(layer, name, name.rpartition("_")[2]) for name in expected}
    assert found == expected
    other = nn.Linear(2, 2)
    assert in_joint_optimizer(other, "weight", "retain")
    assert not in_joint_optimizer(other, "table_retain", "retain")
    assert not in_joint_optimizer(other, "weight", "a")


def test_a_spied_weight_tells_when_it_is_computed_with() -> None:
    told: list[int] = []
    spied: Tensor = Spied.over(nn.Parameter(SQUARE.clone()), lambda: told.append(1))
    assert (spied.dtype, spied.shape, spied.device, spied.ndim) == (torch.float32, (4, 4), SQUARE.device, 2)
    assert told == []
    assert torch.equal(spied * 2, SQUARE * 2)
    assert told
    assert type(spied * 2) is Tensor
