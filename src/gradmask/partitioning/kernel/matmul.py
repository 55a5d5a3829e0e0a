"""The matrix product of a routed linear layer: one forward and one backward pass, whatever the labels are.

Three things differ from a plain linear layer:

* columns that read a silent group are zero, as if the group were deleted (*runs*);
* the weight gradient of each part sums only the tokens that the part learns from, and is not computed at all where
  there are none (*learns*): autograd then leaves that part's ``.grad`` at ``None``;
* the gradient that flows back through chosen columns can be cut (*passes*).

Where parts lie side by side in memory (`gradmask.partitioning.kernel.storage`) the whole is read there. Otherwise they are merged,
and the merged weight lives only while a product needs it; what is saved for backward are the parts themselves. Under
autocast it is the merged weight in the lower precision, which plain autocast keeps as well.

Shapes: x ``[..., in]``, y ``[..., out]``; ``[N, ·]`` is a flattened activation. A weight is ``[out, in]``, or ``[in, out]``
where ``transposed`` (the Conv1D of GPT-2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gradmask.partitioning.kernel.layout import Span
from gradmask.partitioning.kernel.merging import Call, Geometry, Stretch, hull, merge_bias, unit_views, used_weight
from gradmask.partitioning.kernel.route import Flag, TokenMask, pick


def product(
    x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool = False, bias_apart: bool = False
) -> Tensor:
    """A linear layer's own arithmetic, the same calls as in `torch.nn.Linear`, Transformers' `Conv1D` and Falcon."""
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
        ctx.call, ctx.lead, ctx.x_dtype = call, tuple(x.shape[:-1]), x.dtype
        ctx.merged = weight.dtype != weights[0].dtype
        ctx.save_for_backward(x if needs_x else None, *((weight,) if ctx.merged else weights))
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, *weights = ctx.saved_tensors
        call, lead = ctx.call, ctx.lead
        dy = grads[0].reshape(-1, grads[0].shape[-1])
        dx = None
        if ctx.needs_input_grad[0]:
            dx = _input_grad(call, dy, weights, ctx.merged, lead).view(*lead, -1)
        needed = ctx.needs_input_grad[2:]
        count = len(call.learns)
        learns = tuple(flag if need else False for flag, need in zip(call.learns, needed[:count], strict=True))
        bias_learns = tuple(
            flag if need else False for flag, need in zip(call.bias_learns, needed[count:], strict=True)
        )
        dw = _weight_grads(call, learns, dy, x, lead)
        return (dx, None, *dw, *_bias_grads(call, bias_learns, dy, lead))


def _forward(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None, weights: Sequence[Tensor]) -> Tensor:
    geometry = call.geometry
    if geometry.split == "out" or not call.gates:
        y = product(x, weight, bias, geometry.transposed, geometry.bias_apart)
        if geometry.split == "out":
            _zero_silent(call, y.view(-1, y.shape[-1]))
            _gate(call, y.view(-1, y.shape[-1]), tuple(x.shape[:-1]))
        return y
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
    piece = pick(x, chosen) @ weight
    if isinstance(chosen, slice):
        y[chosen] += piece
    else:
        y.index_add_(0, chosen, piece)


def _copy_of(weight: Tensor, weights: Sequence[Tensor]) -> Tensor:
    return weight.clone() if len(weights) == 1 else weight.detach().clone()


def _gate(call: Call, flat: Tensor, lead: tuple[int, ...]) -> None:
    """Zero the gated units' columns of ``flat`` in the rows where they do not run, in place."""
    for unit, mask in call.gates:
        unit_views(call.geometry, flat, unit, dim=1).mask_rows_(mask.rows(lead))


def _zero_silent(call: Call, flat: Tensor) -> None:
    """Zero the silent units' columns of ``flat``, in place; under `torch.compile` the weight has zeros instead."""
    if not torch.compiler.is_compiling():
        for unit in call.silent:
            unit_views(call.geometry, flat, unit, dim=1).zero_()


def _input_grad(call: Call, dy: Tensor, weights: Sequence[Tensor], merged: bool, lead: tuple[int, ...]) -> Tensor:
    """``dy @ weight``; ``weights`` are the parts, or what the forward pass merged of them."""
    geometry = call.geometry
    if call.gates and geometry.split == "out":
        dy = dy.clone()
        _gate(call, dy, lead)
    if not (torch.compiler.is_compiling() or torch.is_grad_enabled() or call.scales) and call.active:
        dx = _active_input_grad(call, call.active, dy, weights, merged)
    else:
        if call.silent and geometry.split == "out":
            dy = dy.clone()
            _zero_silent(call, dy)
        weight = weights[0] if merged else used_weight(call, weights, dy.dtype)
        dx = dy @ (weight.t() if geometry.transposed else weight)
    if geometry.split == "in":
        _gate(call, dx, lead)
        for unit, flag in call.blocks:
            columns = unit_views(geometry, dx, unit, dim=1)
            if isinstance(flag, TokenMask):
                columns.mask_rows_(flag.rows(lead))
            else:
                columns.zero_()
    return dx


def _part_at(geometry: Geometry, stretch: Stretch, weights: Sequence[Tensor]) -> Tensor | None:
    """The part that is just this stretch of the weight."""
    for group, weight in zip(geometry.parts.groups, weights, strict=True):
        if [(span.start, span.length) for span in geometry.parts.spans_of(group)] == [stretch]:
            return weight
    return None


def _active_input_grad(call: Call, active: Stretch, dy: Tensor, weights: Sequence[Tensor], merged: bool) -> Tensor:
    """The same without the silent units, which add nothing."""
    geometry, (start, length) = call.geometry, active
    weight = None if merged else _part_at(geometry, active, weights)
    if weight is None:
        weight = weights[0] if merged else used_weight(call, weights, dy.dtype)
        weight = weight.narrow(geometry.dim, start, length)
    weight = weight.t() if geometry.transposed else weight
    if geometry.split == "out":
        return dy.narrow(1, start, length) @ weight
    dx = dy.new_empty(len(dy), geometry.units.size)
    torch.mm(dy, weight, out=dx.narrow(1, start, length))
    dx.narrow(1, 0, start).zero_()
    dx.narrow(1, start + length, dx.shape[1] - start - length).zero_()
    return dx


def _weight_grads(
    call: Call, learns: tuple[Flag, ...], dy: Tensor, x: Tensor | None, lead: tuple[int, ...]
) -> list[Tensor | None]:
    found: list[Tensor | None] = [None] * len(learns)
    if x is None or all(flag is False for flag in learns):
        return found
    geometry = call.geometry
    flat = x.reshape(-1, x.shape[-1])
    if call.gates:
        dy, flat = _gated_sides(call, dy, flat, lead)
    for flag, members in _by_tokens(learns):
        sides = flag.choose(lead, dy, flat) if isinstance(flag, TokenMask) else (dy, flat)
        for i, grad in _part_grads(geometry, members, *sides):
            found[i] = grad
    for unit, scale in call.scales:
        for i, group in enumerate(geometry.parts.groups):
            grad = found[i]
            if group == unit and grad is not None:
                found[i] = grad * scale
    return found


def _gated_sides(call: Call, dy: Tensor, x: Tensor, lead: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The two factors of the weight gradient as the gated forward pass saw them.

    Where every part is one unit group, its tokens are already chosen by *learns and runs*, and no copy is needed.
    """
    geometry = call.geometry
    if geometry.split == "in" and geometry.parts is geometry.units:
        return dy, x
    side = (dy if geometry.split == "out" else x).clone()
    _gate(call, side, lead)
    return (side, x) if geometry.split == "out" else (dy, side)


def _by_tokens(learns: tuple[Flag, ...]) -> list[tuple[Flag, list[int]]]:
    """Parts that learn from the same tokens share one product."""
    sets: list[tuple[Flag, list[int]]] = []
    for i, flag in enumerate(learns):
        if flag is False:
            continue
        same = next((members for other, members in sets if other is flag), None)
        if same is None:
            sets.append((flag, [i]))
        else:
            same.append(i)
    return sets


def _part_grads(geometry: Geometry, members: list[int], dy: Tensor, x: Tensor) -> list[tuple[int, Tensor]]:
    """One product for the stretch that holds all members; one for each where most of the stretch is not theirs."""
    layout = geometry.parts
    spans = {i: layout.spans_of(layout.groups[i]) for i in members}
    stretch = hull([span for own in spans.values() for span in own])
    covered = sum(span.length for own in spans.values() for span in own)
    if 2 * covered < stretch[1]:
        sides = ((layout.take(dy, layout.groups[i], 1), x) for i in members)
        if geometry.split == "in":
            sides = ((dy, layout.take(x, layout.groups[i], 1)) for i in members)
        return [(i, _outer(geometry, *side)) for i, side in zip(members, sides, strict=True)]
    if stretch[1] < layout.size:
        dy, x = (dy.narrow(1, *stretch), x) if geometry.split == "out" else (dy, x.narrow(1, *stretch))
    whole = _outer(geometry, dy, x)
    return [(i, _cut(whole, own, stretch[0], geometry.dim)) for i, own in spans.items()]


def _cut(whole: Tensor, spans: Sequence[Span], start: int, dim: int) -> Tensor:
    """The positions ``spans`` of a stretch that begins at ``start``: a view where they are neighbours."""
    pieces = [whole.narrow(dim, span.start - start, span.length) for span in spans]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim)


def _outer(geometry: Geometry, dy: Tensor, x: Tensor) -> Tensor:
    return x.t() @ dy if geometry.transposed else dy.t() @ x


def _bias_grads(call: Call, learns: tuple[Flag, ...], dy: Tensor, lead: tuple[int, ...]) -> list[Tensor | None]:
    layout = call.geometry.bias
    if layout is None:
        return []
    if call.gates and call.geometry.split == "out" and any(flag is not False for flag in learns):
        dy = dy.clone()
        _gate(call, dy, lead)
    found: list[Tensor | None] = [None] * len(learns)
    for flag, members in _by_tokens(learns):
        (side,) = flag.choose(lead, dy) if isinstance(flag, TokenMask) else (dy,)
        whole = side.sum(0)
        for i in members:
            found[i] = layout.take(whole, layout.groups[i], 0)
    return found
