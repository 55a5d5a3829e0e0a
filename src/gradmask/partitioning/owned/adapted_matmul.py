"""The matrix product of a linear layer with the adapters of groups: one forward and one backward pass.

Where a group runs for the whole batch, its ``B @ A`` is added to the weight and one product computes both, so that the
output is the exported plain model's bit for bit. Where it runs for some tokens, or drops some of its inputs, its own
product is added to their rows. Backward never makes a full weight gradient for an adapter.

Shapes: x ``[..., in]``, y ``[..., out]``, A ``[r, in]``, B ``[out, r]``; N rows of a flattened activation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gradmask.partitioning.kernel.call import Geometry
from gradmask.partitioning.kernel.matmul import product
from gradmask.partitioning.kernel.token_mask import Flag, TokenMask
from gradmask.partitioning.owned.table_kinds import adapter_delta


@dataclass(frozen=True)
class AdapterCall:
    """One group's adapter in one call: for which tokens it runs and learns, its scale, whether it drops inputs."""

    run: Flag
    learn: Flag
    scale: float
    strength: float
    drops: bool

    @property
    def merges(self) -> bool:
        return self.run is True and not self.drops


@dataclass(frozen=True)
class AdaptedCall:
    """What one call of an adapted layer does, resolved from the route."""

    geometry: Geometry
    learns: Flag
    bias_learns: Flag
    adapters: tuple[AdapterCall, ...]


class Factors(NamedTuple):
    """An adapter's matrices, and what its inputs are multiplied with where some are dropped."""

    a: Tensor
    b: Tensor
    keep: Tensor | None


class AdaptedMatmul(torch.autograd.Function):
    """``y = x @ (W + sum of scale * B @ A).T + bias`` with the gradients that an `AdaptedCall` asks for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: AdaptedCall, weight: Tensor, bias: Tensor | None, *flat: Tensor) -> Tensor:
        factors = factors_in(flat)
        merged = merge_adapters(call, weight, factors).to(x.dtype)
        low = None if bias is None else bias.to(x.dtype)
        y = product(x, merged, low, call.geometry.transposed, call.geometry.bias_apart)
        rows, inputs, lead = y.view(-1, y.shape[-1]), x.reshape(-1, x.shape[-1]), tuple(x.shape[:-1])
        for adapter, own in zip(call.adapters, factors, strict=True):
            if adapter.run is not False and not adapter.merges:
                add_product(rows, inputs, adapter, own, lead)
        learns = (call.learns is not False and weight.requires_grad) or any(a.learn is not False for a in call.adapters)
        ctx.call, ctx.lead = call, lead
        # the factors and the plain weight, which are parameters: the merged weight would be a second copy of the model
        ctx.save_for_backward(x if learns else None, weight, *flat)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, *flat = ctx.saved_tensors
        call, lead, needs = ctx.call, ctx.lead, ctx.needs_input_grad
        dy, inputs = _flat(grads[0]), None if x is None else _flat(x)
        dx = None
        if needs[0]:
            dx = dy @ (weight.t() if call.geometry.transposed else weight).to(dy.dtype)
        grads_of_adapters: list[Tensor | None] = []
        for i, (adapter, factors) in enumerate(zip(call.adapters, factors_in(flat), strict=True)):
            learn = adapter.learn if needs[4 + 3 * i] else False
            grads_of_adapters += adapter_grads(adapter, learn, factors, dy, inputs, dx, lead)
        dw = (
            _weight_grad(call, dy, inputs, lead)
            if inputs is not None and needs[2] and call.learns is not False
            else None
        )
        db = _choose(call.bias_learns, lead, dy)[0].sum(0) if needs[3] and call.bias_learns is not False else None
        return (None if dx is None else dx.view(*lead, -1), None, dw, db, *grads_of_adapters)


def factors_in(flat: Sequence[Any]) -> list[Factors]:
    """The factors of each adapter, from the arguments of an autograd function, which takes tensors alone."""
    return [Factors(*flat[i : i + 3]) for i in range(0, len(flat), 3)]


def add_product(rows: Tensor, inputs: Tensor, adapter: AdapterCall, factors: Factors, lead: tuple[int, ...]) -> None:
    """Add one adapter's own product to ``rows`` ``[N, out]`` in place, where its group runs; ``inputs`` ``[N, in]``."""
    (chosen,) = _choose(adapter.run, lead, _kept(inputs, factors.keep))
    h = chosen @ factors.a.to(inputs.dtype).t() * (adapter.scale * adapter.strength)
    _add(rows, h @ factors.b.to(inputs.dtype).t(), adapter.run, lead)


def merge_adapters(call: AdaptedCall, weight: Tensor, factors: Sequence[Factors]) -> Tensor:
    """The weight with the adapters that run for the whole batch, in its own dtype."""
    for adapter, (a, b, _) in zip(call.adapters, factors, strict=True):
        if adapter.merges:
            delta = adapter_delta(a, b, adapter.scale, call.geometry.transposed)
            weight = weight + (delta if adapter.strength == 1.0 else delta * adapter.strength)
    return weight


def adapter_grads(
    adapter: AdapterCall,
    learn: Flag,
    factors: Factors,
    dy: Tensor,
    x: Tensor | None,
    dx: Tensor | None,
    lead: tuple[int, ...],
) -> list[Tensor | None]:
    """The gradients of A and B (None for the dropout mask); what flows back to the inputs is added to ``dx`` in place."""
    if adapter.run is False:
        return [None, None, None]
    a, b, keep = factors.a.to(dy.dtype), factors.b.to(dy.dtype), factors.keep
    scale = adapter.scale * adapter.strength
    (back,) = _choose(adapter.run, lead, dy)
    dh = back @ b * scale
    if dx is not None:
        summand = dh @ a
        _add(dx, summand if keep is None else summand * _choose(adapter.run, lead, _flat(keep))[0], adapter.run, lead)
    if learn is False or x is None:
        return [None, None, None]
    back, inputs = _choose(learn, lead, dy, _kept(x, keep).to(dy.dtype))
    # where it learns from just the tokens that it runs for (`both` then returns one object), this product is there already
    dh = dh if learn is adapter.run else back @ b * scale
    return [dh.t() @ inputs, back.t() @ (inputs @ a.t()) * scale, None]


def _weight_grad(call: AdaptedCall, dy: Tensor, x: Tensor, lead: tuple[int, ...]) -> Tensor:
    dy, x = _choose(call.learns, lead, dy, x)
    return x.t() @ dy if call.geometry.transposed else dy.t() @ x


def _choose(flag: Flag, lead: tuple[int, ...], first: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    return flag.choose(lead, first, *others) if isinstance(flag, TokenMask) else (first, *others)


def _add(total: Tensor, summand: Tensor, flag: Flag, lead: tuple[int, ...]) -> None:
    """Add to the rows that `_choose` chose, in place."""
    if not isinstance(flag, TokenMask) or torch.compiler.is_compiling():
        total += summand
        return
    chosen = flag.index(lead)
    if isinstance(chosen, slice):
        total[chosen] += summand
    else:
        total.index_add_(0, chosen, summand.to(total.dtype))


def _flat(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])


def _kept(flat: Tensor, keep: Tensor | None) -> Tensor:
    return flat if keep is None else flat * _flat(keep)
