"""The matrix product of a routed linear layer: one forward and one backward pass, whatever the labels are.

Three things differ from a plain linear layer:

* columns that read a silent group are zero, as if the group were deleted (*runs*);
* the weight gradient of each part sums only the tokens that the part learns from, and is not computed at all where
  there are none (*learns*): autograd then leaves that part's ``.grad`` at ``None``;
* the gradient that flows back through chosen columns can be cut (*passes*).

Shapes: x ``[..., in]``, y ``[..., out]``; ``[N, ·]`` is a flattened activation. A weight is ``[out, in]``, or ``[in, out]``
where ``transposed`` (the Conv1D of GPT-2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gradmask.partitioning.kernel.backward import bias_grads, input_grad, weight_grads
from gradmask.partitioning.kernel.call import Call
from gradmask.partitioning.kernel.merging import merge_bias, used_weight
from gradmask.partitioning.kernel.silencing import gate, unit_views, zero_silent
from gradmask.partitioning.kernel.token_mask import Flag, TokenMask, pick


def product(
    x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool = False, bias_apart: bool = False
) -> Tensor:
    """A linear layer's own arithmetic: the very calls of `torch.nn.Linear`, Transformers' `Conv1D` and Falcon.

    Another call of the same value (``x @ weight.t() + bias``) would round otherwise, and outputs would not be equal
    bit for bit to those of the plain model.
    """
    if bias_apart and bias is not None:
        return product(x, weight, None, transposed) + bias
    if not transposed:
        return F.linear(x, weight, bias)
    flat = x.reshape(-1, x.shape[-1])
    y = flat @ weight if bias is None else torch.addmm(bias, flat, weight)
    return y.view(*x.shape[:-1], weight.shape[1])


class RoutedMatmul(torch.autograd.Function):
    """``y = product(x, merged weight, merged bias)`` with the gradients that a `Call` asks for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: Call, *parts: Tensor) -> Tensor:
        count = len(call.learns)
        weights, biases = parts[:count], parts[count:]
        weight = used_weight(call, weights, x.dtype)
        y = _forward(call, x, weight, merge_bias(call, biases, x.dtype), weights)
        needs_x = any(flag is not False and w.requires_grad for flag, w in zip(call.learns, weights, strict=True))
        ctx.call, ctx.lead = call, tuple(x.shape[:-1])
        # Parameters cost nothing to save; merged weights would add up to a second copy of the model until backward, so
        # they are merged again there. Under autocast the low-precision weight is kept, as plain autocast keeps it.
        ctx.merged = weight.dtype != weights[0].dtype
        ctx.save_for_backward(x if needs_x else None, *((weight,) if ctx.merged else weights))
        return (
            y.detach()
        )  # a product of three dimensions is a view, which code could not change in place (RoCBert adds to it)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, *weights = ctx.saved_tensors
        call, lead = ctx.call, ctx.lead
        dy = grads[0].reshape(-1, grads[0].shape[-1])
        dx = None
        if ctx.needs_input_grad[0]:
            dx = input_grad(call, dy, weights, ctx.merged, lead).view(*lead, -1)
        needed, count = ctx.needs_input_grad[2:], len(call.learns)
        dw = weight_grads(call, _needed(call.learns, needed[:count]), dy, x, lead)
        return (dx, None, *dw, *bias_grads(call, _needed(call.bias_learns, needed[count:]), dy, lead))


def _needed(learns: tuple[Flag, ...], needed: tuple[bool, ...]) -> tuple[Flag, ...]:
    if all(needed):
        return learns
    return tuple(flag if need else False for flag, need in zip(learns, needed, strict=True))


def _forward(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None, weights: Sequence[Tensor]) -> Tensor:
    geometry = call.geometry
    if geometry.split == "out" or not call.gates:
        y = product(x, weight, bias, geometry.transposed, geometry.bias_apart)
        if geometry.split == "out" and (call.silent or call.gates):
            flat = y.view(-1, y.shape[-1])
            zero_silent(call, flat)
            gate(call, flat, tuple(x.shape[:-1]))
        return y
    # First everything that runs for all tokens, then each gated group's columns in its own rows: a row in which a group
    # does not run is the product with zeros in its columns, the same bits as without the group.
    gated = _copy_of(weight, weights)
    for unit, _ in call.gates:
        unit_views(geometry, gated, unit).zero_()
    y = product(x, gated, bias, geometry.transposed, geometry.bias_apart)
    flat_x, flat_y = x.reshape(-1, x.shape[-1]), y.view(-1, y.shape[-1])
    for unit, mask in call.gates:
        columns = geometry.units.take(weight, unit, geometry.dim)
        inputs = geometry.units.take(flat_x, unit, 1)
        add_rows(flat_y, inputs, columns if geometry.transposed else columns.t(), mask, tuple(x.shape[:-1]))
    return y


def add_rows(y: Tensor, x: Tensor, weight: Tensor, mask: TokenMask, lead: tuple[int, ...]) -> None:
    """Add ``x @ weight`` to ``y`` in the chosen rows, in place."""
    if torch.compiler.is_compiling():
        y += x.masked_fill(~mask.rows(lead).unsqueeze(1), 0) @ weight
        return
    chosen = mask.index(lead)
    summand = pick(x, chosen) @ weight
    if isinstance(chosen, slice):
        y[chosen] += summand
    else:
        y.index_add_(0, chosen, summand)


def _copy_of(weight: Tensor, weights: Sequence[Tensor]) -> Tensor:
    # a copy in any case: one part is the parameter itself, and several may have been read where they lie
    return weight.clone() if len(weights) == 1 else weight.detach().clone()
