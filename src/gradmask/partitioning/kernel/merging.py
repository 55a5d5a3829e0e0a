"""Putting the parts of a weight together for one call.

Where parts lie side by side in memory (`storage`) the whole is read there; otherwise they are copied together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradmask.partitioning.kernel.call import Call, Geometry
from gradmask.partitioning.kernel.silencing import unit_views
from gradmask.partitioning.kernel.storage import side_by_side


def merge(call: Call, weights: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """The weight as this call uses it: parts in their places, silent units zero, scaled units scaled."""
    geometry, whole = call.geometry, _assemble(call.geometry, weights, dtype)
    if call.silent or call.scales:
        # with one part there is nothing to concatenate, and the whole is the parameter itself: zeroing would destroy it
        whole = whole.clone() if whole is weights[0] else whole
        for unit in call.silent:
            unit_views(geometry, whole, unit).zero_()
        for unit, scale in call.scales:
            unit_views(geometry, whole, unit).mul_(scale)
    return whole


def _assemble(geometry: Geometry, weights: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """The whole from its parts; the part itself where it is the whole and has the dtype."""
    if dtype != weights[0].dtype:
        if not (torch.is_grad_enabled() or torch.compiler.is_compiling()):
            return _merge_cast(geometry, weights, dtype)
        weights = [weight.to(dtype) for weight in weights]
    return geometry.parts.assemble(dict(zip(geometry.parts.groups, weights, strict=True)), geometry.dim)


def _merge_cast(geometry: Geometry, weights: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """Each part cast on its way to its place: one pass over memory, where casting first would take two.

    Only where neither autograd nor `torch.compile` would record each of the copies.
    """
    layout, dim = geometry.parts, geometry.dim
    parts = dict(zip(layout.groups, weights, strict=True))
    shape = list(weights[0].shape)
    shape[dim] = layout.size
    whole = torch.empty(shape, dtype=dtype, device=weights[0].device)
    for span in layout.spans:
        whole.narrow(dim, span.start, span.length).copy_(parts[span.group].narrow(dim, span.offset, span.length))
    return whole


def used_weight(call: Call, weights: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """`merge`, not copied where it need not be.

    Silent *columns* are zeros here, as in an exported model. Silent *rows* are not: `zero_silent` zeroes the outputs
    that they make, which gives the same bits and lets the whole be read in place.
    """
    geometry = call.geometry
    if torch.compiler.is_compiling() or (geometry.split == "in" and (call.silent or call.scales)):
        return merge(call, weights, dtype)
    if geometry.order and not torch.is_grad_enabled():
        whole = side_by_side([weights[i] for i in geometry.order])
        if whole is not None:
            return whole.to(dtype)
    return _assemble(geometry, weights, dtype)


def merge_bias(call: Call, biases: Sequence[Tensor], dtype: torch.dtype) -> Tensor | None:
    """The bias as this call uses it; entries of silent output rows are zero."""
    layout = call.geometry.bias
    if layout is None:
        return None
    whole = layout.assemble(dict(zip(layout.groups, biases, strict=True)), 0).to(dtype)
    if call.silent and call.geometry.split == "out":
        whole = whole.clone() if whole is biases[0] else whole  # with one part it may be the parameter, as in `merge`
        for unit in call.silent:
            for span in call.geometry.units.spans_of(unit):
                whole.narrow(0, span.start, span.length).zero_()
    return whole
