"""The backward pass of a routed linear layer: gradients of its input, of each part of its weight, and of its bias.

Shapes: dy ``[N, out]`` and x ``[N, in]``, flattened; ``lead`` are the dimensions that N stands for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradmask.partitioning.kernel.call import Call, Geometry, Stretch, hull
from gradmask.partitioning.kernel.layout import Span
from gradmask.partitioning.kernel.merging import used_weight
from gradmask.partitioning.kernel.silencing import gate, unit_views, zero_silent
from gradmask.partitioning.kernel.token_mask import Flag, TokenMask


def input_grad(call: Call, dy: Tensor, weights: Sequence[Tensor], merged: bool, lead: tuple[int, ...]) -> Tensor:
    """``dy @ weight``; ``weights`` are the parts, or where ``merged`` what the forward pass made of them."""
    geometry = call.geometry
    if call.gates and geometry.split == "out":
        dy = dy.clone()
        gate(call, dy, lead)
    # The shorter product writes into slices of its result, which neither torch.compile nor a second derivative allows
    # (grad mode is on inside backward only for create_graph=True); and the parts that were saved carry no strengths.
    if not (torch.compiler.is_compiling() or torch.is_grad_enabled() or call.scales) and call.active:
        dx = _active_input_grad(call, call.active, dy, weights, merged)
    else:
        if call.silent and geometry.split == "out":
            dy = dy.clone()
            zero_silent(call, dy)
        weight = weights[0] if merged else used_weight(call, weights, dy.dtype)
        dx = dy @ (weight.t() if geometry.transposed else weight)
    if geometry.split == "in":
        gate(call, dx, lead)
        for unit, flag in call.blocks:
            columns = unit_views(geometry, dx, unit, dim=1)
            if isinstance(flag, TokenMask):
                columns.mask_rows_(flag, lead)
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
    """The same without the silent units, which add nothing: on retain data, mostly the retain part by itself."""
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


def weight_grads(
    call: Call, learns: tuple[Flag, ...], dy: Tensor, x: Tensor | None, lead: tuple[int, ...]
) -> list[Tensor | None]:
    """The gradient of each part, None where it learns from no token: autograd then leaves ``.grad`` alone."""
    grads: list[Tensor | None] = [None] * len(learns)
    if x is None or all(flag is False for flag in learns):
        return grads
    geometry = call.geometry
    flat = x.reshape(-1, x.shape[-1])
    if call.gates:
        dy, flat = _gated_sides(call, dy, flat, lead)
    for flag, members in _by_tokens(learns):
        sides = flag.choose(lead, dy, flat) if isinstance(flag, TokenMask) else (dy, flat)
        for i, grad in _part_grads(geometry, members, *sides):
            grads[i] = grad
    for unit, scale in call.scales:
        for i, grad in enumerate(grads):
            if grad is not None:
                grads[i] = _scaled(geometry, grad, geometry.parts.groups[i], unit, scale)
    return grads


def _scaled(geometry: Geometry, grad: Tensor, group: str, unit: str, scale: float) -> Tensor:
    """The gradient of a group's part where ``unit`` has a strength; a joint part holds the unit's columns among others."""
    if geometry.parts is geometry.units:
        return grad * scale if group == unit else grad
    factors = grad.new_ones(geometry.units.size)
    unit_views(geometry, factors, unit, dim=0).mul_(scale)
    return grad * (factors.unsqueeze(1) if geometry.dim == 0 else factors)


def _gated_sides(call: Call, dy: Tensor, x: Tensor, lead: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The two factors of the weight gradient as the gated forward pass saw them.

    Where every part is one unit group, its tokens are already chosen by *learns and runs*, and no copy is needed.
    """
    geometry = call.geometry
    if geometry.split == "in" and geometry.parts is geometry.units:
        return dy, x
    side = (dy if geometry.split == "out" else x).clone()
    gate(call, side, lead)
    return (side, x) if geometry.split == "out" else (dy, side)


def _by_tokens(learns: tuple[Flag, ...]) -> list[tuple[Flag, list[int]]]:
    """Parts that learn from the same tokens share one product. "The same" is one object: the router makes each mask once."""
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
    views = [whole.narrow(dim, span.start - start, span.length) for span in spans]
    return views[0] if len(views) == 1 else torch.cat(views, dim)


def _outer(geometry: Geometry, dy: Tensor, x: Tensor) -> Tensor:
    return x.t() @ dy if geometry.transposed else dy.t() @ x


def bias_grads(call: Call, learns: tuple[Flag, ...], dy: Tensor, lead: tuple[int, ...]) -> list[Tensor | None]:
    """The gradient of each part of the bias, None where it learns from no token."""
    layout = call.geometry.bias
    if layout is None:
        return []
    if call.gates and call.geometry.split == "out" and any(flag is not False for flag in learns):
        dy = dy.clone()
        gate(call, dy, lead)
    grads: list[Tensor | None] = [None] * len(learns)
    for flag, members in _by_tokens(learns):
        (side,) = flag.choose(lead, dy) if isinstance(flag, TokenMask) else (dy,)
        whole = side.sum(0)
        for i in members:
            grads[i] = layout.take(whole, layout.groups[i], 0)
    return grads
