"""How a cut weight is used as a whole: what a call asks of it, and putting its parts together.

Where parts lie side by side in memory (`gradmask.partitioning.kernel.storage`) the whole is read there; otherwise they are merged.
Shapes: a weight is ``[out, in]``, or ``[in, out]`` where ``transposed`` (the Conv1D of GPT-2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from gradmask.partitioning.kernel.layout import Layout, Span
from gradmask.partitioning.kernel.route import Flag, TokenMask
from gradmask.partitioning.kernel.storage import side_by_side


@dataclass(frozen=True)
class Geometry:
    """How a weight is cut: which of its sides, who owns each position (parts), who computes there (units)."""

    split: Literal["out", "in"]
    transposed: bool
    parts: Layout
    units: Layout
    bias: Layout | None
    bias_apart: bool = False

    @property
    def dim(self) -> int:
        """The dimension of the stored weight that is cut."""
        return int((self.split == "in") != self.transposed)

    @cached_property
    def order(self) -> tuple[int, ...] | None:
        """The parts in the order of the whole, where it is them one after another along dimension 0."""
        groups, spans = self.parts.groups, self.parts.spans
        if self.dim or len(spans) != len(groups):
            return None
        return tuple(groups.index(span.group) for span in spans)


Stretch = tuple[int, int]
"""Neighbouring positions: the first, and how many."""


@dataclass(frozen=True)
class Call:
    """What one call of a routed layer does, resolved from the route."""

    geometry: Geometry
    learns: tuple[Flag, ...]
    bias_learns: tuple[Flag, ...]
    silent: tuple[str, ...] = ()
    scales: tuple[tuple[str, float], ...] = ()
    gates: tuple[tuple[str, TokenMask], ...] = ()
    blocks: tuple[tuple[str, Flag], ...] = ()

    @cached_property
    def active(self) -> Stretch | None:
        """The positions that are not silent, where silence leaves one stretch of them; None without silence."""
        units = self.geometry.units
        active = [span for span in units.spans if span.group not in self.silent]
        if not self.silent or not active:
            return None
        stretch = hull(active)
        return stretch if stretch[1] == sum(span.length for span in active) else None


def hull(spans: Sequence[Span]) -> Stretch:
    """The shortest stretch that holds ``spans``."""
    start = min(span.start for span in spans)
    return start, max(span.start + span.length for span in spans) - start


def merge(call: Call, weights: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """The weight as this call uses it: parts side by side, silent units zero, scaled units scaled."""
    geometry = call.geometry
    if dtype != weights[0].dtype and not (torch.is_grad_enabled() or torch.compiler.is_compiling()):
        whole = _merge_cast(geometry, weights, dtype)
    else:
        parts = {g: w.to(dtype) for g, w in zip(geometry.parts.groups, weights, strict=True)}
        whole = geometry.parts.assemble(parts, geometry.dim)
    if call.silent or call.scales:
        whole = whole.clone() if whole is weights[0] else whole
        for unit in call.silent:
            unit_views(geometry, whole, unit).zero_()
        for unit, scale in call.scales:
            unit_views(geometry, whole, unit).mul_(scale)
    return whole


def _merge_cast(geometry: Geometry, weights: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """Each part cast on its way to its place, in one pass."""
    layout, dim = geometry.parts, geometry.dim
    parts = dict(zip(layout.groups, weights, strict=True))
    shape = list(weights[0].shape)
    shape[dim] = layout.size
    whole = torch.empty(shape, dtype=dtype, device=weights[0].device)
    for span in layout.spans:
        whole.narrow(dim, span.start, span.length).copy_(parts[span.group].narrow(dim, span.offset, span.length))
    return whole


def used_weight(call: Call, weights: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """`merge`, not copied where it need not be. Rows of silent outputs are not zero: `_zero_silent` silences what they make."""
    geometry = call.geometry
    if torch.compiler.is_compiling() or (geometry.split == "in" and (call.silent or call.scales)):
        return merge(call, weights, dtype)
    if geometry.order and not torch.is_grad_enabled():
        whole = side_by_side([weights[i] for i in geometry.order])
        if whole is not None:
            return whole.to(dtype)
    return merge(Call(geometry, call.learns, ()), weights, dtype)


def merge_bias(call: Call, biases: Sequence[Tensor], dtype: torch.dtype) -> Tensor | None:
    """The bias as this call uses it; entries of silent output rows are zero."""
    layout = call.geometry.bias
    if layout is None:
        return None
    whole = layout.assemble(dict(zip(layout.groups, biases, strict=True)), 0).to(dtype)
    if call.silent and call.geometry.split == "out":
        whole = whole.clone() if whole is biases[0] else whole
        for unit in call.silent:
            for span in call.geometry.units.spans_of(unit):
                whole.narrow(0, span.start, span.length).zero_()
    return whole


class _UnitViews:
    """In-place arithmetic on the positions of one unit group, span by span."""

    def __init__(self, views: list[Tensor]) -> None:
        self.views = views

    def zero_(self) -> None:
        for view in self.views:
            view.zero_()

    def mul_(self, scale: float) -> None:
        for view in self.views:
            view.mul_(scale)

    def mask_rows_(self, keep: Tensor) -> None:
        for view in self.views:
            view.masked_fill_(~keep.unsqueeze(-1), 0)


def unit_views(geometry: Geometry, whole: Tensor, unit: str, dim: int | None = None) -> _UnitViews:
    dim = geometry.dim if dim is None else dim
    return _UnitViews([whole.narrow(dim, span.start, span.length) for span in geometry.units.spans_of(unit)])
