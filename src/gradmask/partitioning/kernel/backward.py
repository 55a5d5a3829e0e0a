"""The backward pass of a routed linear layer: gradients of its input, of each part of its weight, and of its bias.

Shapes: dy ``[N, out]`` and x ``[N, in]``, flattened; ``lead`` are the dimensions that N stands for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradmask.partitioning.kernel.call import Call, Geometry, Product, Stretch, by_tokens, products_of
from gradmask.partitioning.kernel.layout import pieces
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


def _active_input_grad(call: Call, active: Stretch, dy: Tensor, weights: Sequence[Tensor], merged: bool) -> Tensor:
    """The same without the silent units, which add nothing: on retain data, mostly the retain part by itself."""
    geometry, (start, length) = call.geometry, active
    if call.active_part is not None and not merged:
        weight = weights[call.active_part]
    else:
        weight = weights[0] if merged else used_weight(call, weights, dy.dtype)
        weight = weight.narrow(geometry.dim, start, length)
    weight = weight.t() if geometry.transposed else weight
    if geometry.split == "out":
        return dy.narrow(1, start, length) @ weight
    dx = dy.new_empty(len(dy), geometry.units.size)
    torch.mm(dy, weight, out=dx.narrow(1, start, length))
    end = start + length
    for first, count in ((0, start), (end, dx.shape[1] - end)):
        if count:
            dx.narrow(1, first, count).zero_()
    return dx


def weight_grads(
    call: Call, learns: tuple[Flag, ...], dy: Tensor, x: Tensor | None, lead: tuple[int, ...]
) -> list[Tensor | None]:
    """The gradient of each part, None where it learns from no token: autograd then leaves ``.grad`` alone."""
    grads: list[Tensor | None] = [None] * len(learns)
    geometry = call.geometry
    known = learns is call.learns and not torch.compiler.is_compiling()
    products = call.products if known else products_of(geometry, learns)
    if x is None or not products:
        return grads
    flat = x.reshape(-1, x.shape[-1])
    if call.gates:
        dy, flat = _gated_sides(call, dy, flat, lead)
    for flag, each in products:
        whole = _product(geometry, each, flag, dy, flat, lead)
        for i, stretches in each.cuts:
            grads[i] = pieces(whole, geometry.dim, stretches)
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


def _product(geometry: Geometry, each: Product, flag: Flag, dy: Tensor, x: Tensor, lead: tuple[int, ...]) -> Tensor:
    if each.taken:
        dy, x = (pieces(dy, 1, each.taken), x) if geometry.split == "out" else (dy, pieces(x, 1, each.taken))
    if isinstance(flag, TokenMask):
        dy, x = flag.choose(lead, dy, x)  # after the columns: less to gather
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
    for flag, members in by_tokens(learns):
        (side,) = flag.choose(lead, dy) if isinstance(flag, TokenMask) else (dy,)
        whole = side.sum(0)
        for i in members:
            grads[i] = layout.take(whole, layout.groups[i], 0)
    return grads
