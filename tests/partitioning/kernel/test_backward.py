"""Gated layers in both directions, against dense formulas with ordinary masks: whole numbers, so that sums are exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from torch import Tensor

from gradmask.partitioning.kernel.call import Geometry, call_for
from gradmask.partitioning.kernel.layout import Layout
from gradmask.partitioning.kernel.matmul import RoutedMatmul
from gradmask.partitioning.kernel.route import Route
from gradmask.partitioning.kernel.token_mask import Flag, TokenMask
from tiny import integers

IN, OUT, BATCH, LENGTH = 5, 6, 3, 2
TOKENS = BATCH * LENGTH
OWN = {"retain": (0, 3), "a": (1, 4), "b": (2,)}
FLAGS: dict[str, Flag] = {
    "per token": TokenMask(torch.tensor([[True, False], [False, True], [True, True]])),
    "per example": TokenMask(torch.tensor([True, False, True])),
    "other tokens": TokenMask(torch.tensor([[True, True], [False, False], [False, True]])),
    "never": False,
    "always": True,
}


@dataclass(frozen=True)
class Layer:
    """A layer of whole numbers, its input, and the gradient of its output."""

    split: Literal["in", "out"]
    transposed: bool
    joint: bool

    @property
    def geometry(self) -> Geometry:
        size = IN if self.split == "in" else OUT
        units = Layout.carve(size, {g: OWN[g] for g in "ab"}, "retain")
        parts = Layout.whole(size, "joint") if self.joint else units
        bias = Layout.whole(OUT, "joint") if self.split == "in" or self.joint else units
        return Geometry(self.split, self.transposed, parts, units, bias)

    def positions(self, values: dict[str, Tensor | float]) -> Tensor:
        """One number for each token and each position of the cut side ``[N, size]``, from those of groups."""
        units = self.geometry.units
        table = torch.ones(TOKENS, units.size).double()
        for group, value in values.items():
            for position in units.positions[group]:
                table[:, position] = torch.as_tensor(value).double()
        return table


def per_token(flag: Flag) -> Tensor:
    """The answer of each token ``[N]``."""
    if isinstance(flag, bool):
        return torch.full((TOKENS,), float(flag)).double()
    spread = flag.mask if flag.mask.dim() == 2 else flag.mask[:, None].expand(BATCH, LENGTH)
    return spread.reshape(-1).double()


def numbers(*shape: int, seed: int) -> Tensor:
    return integers(-4, 5, shape, seed).double()


ANSWERS = [
    # runs of a and of b; who learns; what passes back
    ({"a": "per token"}, {"a": "other tokens"}, {}),
    ({"a": "per example", "b": "never"}, {"joint": "per token", "retain": "never"}, {}),
    ({"a": "per token", "b": "per example"}, {"b": "per token", "joint": "other tokens"}, {"retain": "per token"}),
    ({"b": "never"}, {"retain": "per example", "joint": "never"}, {"a": "never", "b": "other tokens"}),
    ({"a": "never", "b": "never"}, {"joint": "per example"}, {"retain": "per example"}),
]


@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("answers", ANSWERS, ids=range(len(ANSWERS)))
@pytest.mark.parametrize("joint", [False, True], ids=["own", "joint"])
@pytest.mark.parametrize("transposed", [False, True], ids=["linear", "conv1d"])
@pytest.mark.parametrize("split", ["in", "out"])
def test_a_gated_layer_is_the_plain_one_between_masks(
    split: Literal["in", "out"],
    transposed: bool,
    joint: bool,
    answers: tuple[dict[str, str], dict[str, str], dict[str, str]],
    strength: float,
) -> None:
    layer = Layer(split, transposed, joint)
    geometry = layer.geometry
    runs, learns, passes = ({g: FLAGS[name] for g, name in each.items()} for each in answers)
    whole, bias = numbers(OUT, IN, seed=1), numbers(OUT, seed=2)
    stored = whole.t() if transposed else whole
    parts = [geometry.parts.take(stored, g, geometry.dim).clone().requires_grad_() for g in geometry.parts.groups]
    assert geometry.bias is not None
    biases = [geometry.bias.take(bias, g, 0).clone().requires_grad_() for g in geometry.bias.groups]
    x, dy = numbers(BATCH, LENGTH, IN, seed=3), numbers(BATCH, LENGTH, OUT, seed=4)
    # what a silent group computes is zero where the next layer reads it, and so is the gradient that comes back
    heard = layer.positions({g: 0.0 for g, flag in runs.items() if flag is False}).view(BATCH, LENGTH, -1)
    x, dy = (x * heard, dy) if split == "in" else (x, dy * heard)
    x, arrived = x.requires_grad_(), dy.clone()

    route = Route(runs, learns, passes, {"a": strength})
    y = RoutedMatmul.apply(x, call_for(geometry, route, gate_outputs=True), *parts, *biases)
    y.backward(arrived)
    assert torch.equal(arrived, dy)  # other layers may read the same gradient

    # on the side that is cut: what runs there, how much it counts, and what passes back
    on = layer.positions({g: per_token(flag) for g, flag in runs.items()})
    through = layer.positions({g: per_token(flag) for g, flag in passes.items()})
    scale = layer.positions({"a": strength if split == "in" else 1.0})
    flat_x, flat_dy = x.detach().view(TOKENS, IN), dy.view(TOKENS, OUT)
    if split == "in":
        seen, back = flat_x * on * scale, flat_dy
        expected_y = seen @ whole.t() + bias
        expected_dx = flat_dy @ whole * on * scale * through
    else:
        seen, back = flat_x, flat_dy * on
        expected_y = (flat_x @ whole.t() + bias) * on
        expected_dx = back @ whole
    assert torch.equal(y.detach().view(TOKENS, OUT), expected_y)
    assert x.grad is not None
    assert torch.equal(x.grad.view(TOKENS, IN), expected_dx)

    for group, part in zip(geometry.parts.groups, parts, strict=True):
        told = per_token(learns.get(group, True)) * (1.0 if joint else per_token(runs.get(group, True)))
        full = torch.einsum("no,ni,n->oi", back, seen, told)
        full = full.t() if transposed else full
        check(part.grad, geometry.parts.take(full, group, geometry.dim), told)
    for group, entry in zip(geometry.bias.groups, biases, strict=True):
        own = geometry.bias is geometry.units
        told = per_token(learns.get(group, True)) * (per_token(runs.get(group, True)) if own else 1.0)
        check(entry.grad, geometry.bias.take(told @ back, group, 0), told)


def check(found: Tensor | None, expected: Tensor, told: Tensor) -> None:
    if told.any():
        assert found is not None
        assert torch.equal(found, expected)
    else:
        assert found is None


def test_parts_that_learn_from_other_tokens_than_their_neighbours() -> None:
    """Parts whose stretch holds mostly others' positions are multiplied by themselves."""
    layout = Layout.carve(9, {"a": (0, 8)}, "retain")
    for split in ("in", "out"):
        shape = (4, 9) if split == "in" else (9, 4)
        geometry = Geometry(split, False, layout, layout, None)
        whole = numbers(*shape, seed=1)
        parts = [layout.take(whole, g, geometry.dim).clone().requires_grad_() for g in layout.groups]
        x, dy = numbers(BATCH, shape[1], seed=2), numbers(BATCH, shape[0], seed=3)
        route = Route({}, {"retain": False})
        RoutedMatmul.apply(x, call_for(geometry, route), *parts).backward(dy)
        assert parts[0].grad is None
        assert parts[1].grad is not None
        assert torch.equal(parts[1].grad, layout.take(dy.t() @ x, "a", geometry.dim))
