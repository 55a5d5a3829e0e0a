"""The products of groups' adapters, added to what a layer gives that nothing can be merged into.

Shapes: x ``[..., in]``, y ``[..., out]``, A ``[r, in]``, B ``[out, r]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradmask.partitioning.owned.adapted_matmul import (
    AdapterCall,
    Factors,
    adapter_grads,
    add_product,
    factors_in,
)


class AdapterSums(torch.autograd.Function):
    """``y + sum of scale * x @ A.T @ B.T`` over the tokens that each group runs for, with the gradients that it asks for.

    A token for which no group runs keeps the bits of ``y``.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, calls: Sequence[AdapterCall], *flat: Tensor) -> Tensor:
        learns = any(call.learn is not False for call in calls)
        ctx.calls, ctx.lead, ctx.dtype = calls, tuple(x.shape[:-1]), x.dtype
        ctx.save_for_backward(x if learns else None, *flat)
        return add_adapters(y, x, calls, factors_in(flat))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, *flat = ctx.saved_tensors
        dy, needs, factors = grads[0].reshape(-1, grads[0].shape[-1]), ctx.needs_input_grad, factors_in(flat)
        inputs = None if x is None else x.reshape(-1, x.shape[-1])
        dx = dy.new_zeros(len(dy), factors[0].a.shape[1]) if needs[1] else None
        made: list[Tensor | None] = []
        for i, (call, own) in enumerate(zip(ctx.calls, factors, strict=True)):
            learn = call.learn if needs[3 + 3 * i] else False
            made += adapter_grads(call, learn, own, dy, inputs, dx, ctx.lead)
        return (grads[0], None if dx is None else dx.view(*ctx.lead, -1), None, *made)


def add_adapters(y: Tensor, x: Tensor, calls: Sequence[AdapterCall], factors: Sequence[Factors]) -> Tensor:
    """``y`` with the products of the groups that run; a new tensor."""
    total = y.clone(memory_format=torch.contiguous_format)
    rows, inputs, lead = total.view(-1, total.shape[-1]), x.reshape(-1, x.shape[-1]), tuple(x.shape[:-1])
    for call, own in zip(calls, factors, strict=True):
        if call.run is not False:
            add_product(rows, inputs, call, own, lead)
    return total
