"""One routed product against the slow, obvious way: one autograd pass per token."""

from __future__ import annotations

import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

from gradmask.partitioning.kernel.call import Geometry, call_for
from gradmask.partitioning.kernel.layout import Layout
from gradmask.partitioning.kernel.matmul import RoutedMatmul, product
from gradmask.partitioning.kernel.route import Route, RoutingContext
from gradmask.partitioning.kernel.token_mask import Flag, TokenMask

IN, OUT, BATCH, LENGTH = 5, 6, 2, 3
GROUPS = ("retain", "a", "b")

masks = st.lists(st.booleans(), min_size=BATCH * LENGTH, max_size=BATCH * LENGTH)


def as_flag(bits: list[bool]) -> Flag:
    if all(bits) or not any(bits):
        return bits[0]
    return TokenMask(torch.tensor(bits).view(BATCH, LENGTH))


def slow(
    x: Tensor,
    dy: Tensor,
    geometry: Geometry,
    parts: list[Tensor],
    bias: Tensor,
    runs: dict[str, list[bool]],
    learns: dict[str, list[bool]],
    passes: dict[str, list[bool]],
) -> tuple[Tensor, Tensor, list[Tensor | None]]:
    """Token by token, with plain autograd on an ordinary weight."""
    dim, units = geometry.dim, geometry.units
    ys, dxs = [], []
    grads: list[Tensor | None] = [None] * len(parts)
    for t, (x_t, dy_t) in enumerate(zip(x.view(-1, IN), dy.view(-1, OUT), strict=True)):
        leaves = [p.detach().clone().requires_grad_() for p in parts]
        x_t = x_t.detach().clone().requires_grad_()
        whole = torch.zeros(IN, OUT).double() if geometry.transposed else torch.zeros(OUT, IN).double()
        for group, leaf in zip(geometry.parts.groups, leaves, strict=True):
            whole = whole.index_add(dim, torch.tensor(geometry.parts.positions[group]), leaf)
        matrix = whole if geometry.transposed else whole.t()
        if geometry.split == "in":
            on = torch.ones(IN).double()
            blocked = torch.ones(IN).double()
            for unit in units.groups:
                on[list(units.positions[unit])] = float(runs[unit][t])
                blocked[list(units.positions[unit])] = float(passes[unit][t])
            seen = x_t * on
            seen = seen * blocked + (seen * (1 - blocked)).detach()
            y = seen @ matrix + bias
        else:
            y = x_t @ matrix + bias
        y.backward(dy_t)
        ys.append(y.detach())
        dxs.append(x_t.grad)
        for i, (group, leaf) in enumerate(zip(geometry.parts.groups, leaves, strict=True)):
            if learns[group][t]:
                grads[i] = leaf.grad if grads[i] is None else grads[i] + leaf.grad
    return torch.stack(ys).view(BATCH, LENGTH, OUT), torch.stack(dxs).view(BATCH, LENGTH, IN), grads


@settings(max_examples=150, deadline=None)
@given(
    split=st.sampled_from(["in", "out"]),
    transposed=st.booleans(),
    assigned=st.lists(st.sampled_from(GROUPS), min_size=OUT, max_size=OUT),
    bits=st.tuples(masks, masks, masks, masks, masks, masks),
)
def test_one_pass_equals_one_pass_per_token(
    split: str, transposed: bool, assigned: list[str], bits: tuple[list[bool], ...]
) -> None:
    torch.manual_seed(0)
    size = IN if split == "in" else OUT
    positions = {g: tuple(i for i in range(size) if assigned[i] == g) for g in GROUPS}
    layout = Layout(size, {g: p for g, p in positions.items() if p})
    geometry = Geometry(split, transposed, layout, layout, Layout.whole(OUT, "retain"))  # type: ignore[arg-type]
    whole = torch.randn(IN, OUT).double() if transposed else torch.randn(OUT, IN).double()
    parts = [layout.take(whole, g, geometry.dim).clone().requires_grad_() for g in layout.groups]
    bias = torch.randn(OUT).double().requires_grad_()
    x = torch.randn(BATCH, LENGTH, IN).double().requires_grad_()
    dy = torch.randn(BATCH, LENGTH, OUT).double()

    everywhere = [True] * BATCH * LENGTH
    runs = {"retain": everywhere, "a": bits[0], "b": bits[1]} if split == "in" else dict.fromkeys(GROUPS, everywhere)
    learns = {
        "retain": bits[2],
        **{g: [m and n for m, n in zip(bits[i], runs[g], strict=True)] for g, i in (("a", 3), ("b", 4))},
    }
    passes = {"retain": bits[5], "a": everywhere, "b": everywhere}
    route = Route(*({g: as_flag(v) for g, v in what.items()} for what in (runs, learns, passes)))

    y = RoutedMatmul.apply(x, call_for(geometry, route), *parts, bias)
    y.backward(dy)
    y_slow, dx_slow, grads_slow = slow(x, dy, geometry, parts, bias.detach(), runs, learns, passes)
    torch.testing.assert_close(y, y_slow, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(x.grad, dx_slow, rtol=1e-12, atol=1e-12)
    for part, expected in zip(parts, grads_slow, strict=True):
        assert (part.grad is None) == (expected is None)
        if expected is not None:
            torch.testing.assert_close(part.grad, expected, rtol=1e-12, atol=1e-12)
    rows = torch.tensor(learns["retain"]).view(BATCH, LENGTH)
    if rows.any():
        torch.testing.assert_close(bias.grad, dy[rows].sum(0), rtol=1e-12, atol=1e-12)
    else:
        assert bias.grad is None


def test_a_bias_that_is_added_apart_is_added() -> None:
    x, weight, bias = torch.randn(3, IN), torch.randn(OUT, IN), torch.randn(OUT)
    assert torch.equal(product(x, weight, bias, bias_apart=True), x @ weight.t() + bias)
    assert torch.equal(product(x, weight.t(), bias, transposed=True, bias_apart=True), x @ weight.t() + bias)


def test_what_is_frozen_learns_from_no_pass() -> None:
    """The answer is no, and not nothing: kernels compare it with ``is``."""
    context = RoutingContext(GROUPS)
    context.frozen = frozenset({"a"})
    route = context.compose({}, {"a": True, "b": True}, {})
    assert [route.learn(group) for group in GROUPS] == [True, False, True]
