"""In-place arithmetic on the positions of one group's units, in a weight or in an activation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from gradmask.partitioning.kernel.call import Call, Geometry
from gradmask.partitioning.kernel.token_mask import TokenMask


class UnitViews:
    """The positions of one group's units in a tensor, as one view per span."""

    def __init__(self, views: list[Tensor]) -> None:
        self.views = views

    def zero_(self) -> None:
        """Set them to zero."""
        for view in self.views:
            view.zero_()

    def mul_(self, scale: float) -> None:
        """Multiply them."""
        for view in self.views:
            view.mul_(scale)

    def mask_rows_(self, mask: TokenMask, lead: tuple[int, ...]) -> None:
        """Set them to zero in the rows that are not chosen; multiply the others where they have a weight."""
        for view in self.views:
            mask.scale_(view, lead)


def unit_views(geometry: Geometry, whole: Tensor, unit: str, dim: int | None = None) -> UnitViews:
    """The positions of ``unit`` along ``dim``, by default the dimension of the weight that is cut."""
    dim = geometry.dim if dim is None else dim
    return UnitViews([whole.narrow(dim, span.start, span.length) for span in geometry.units.spans_of(unit)])


def zero_units(geometry: Geometry, whole: Tensor, units: Iterable[str], dim: int) -> None:
    """Set the positions of ``units`` along ``dim`` to zero, in place, also in a tensor that FSDP2 shards."""
    positions = [p for unit in units for p in geometry.units.positions.get(unit, ())]
    if not positions:
        return
    index = torch.tensor(positions, device=whole.device)
    if not hasattr(whole, "placements"):
        whole.index_fill_(dim, index, 0)
        return
    sharded: Any = whole  # a DTensor, a slice of which is a copy: so its local part is masked
    chosen = torch.zeros(whole.shape, dtype=torch.bool, device=whole.device).index_fill_(dim, index, True)
    sharded.to_local().masked_fill_(_local(chosen, sharded), 0)


def _local(whole: Tensor, like: Any) -> Tensor:
    """The part of ``whole``, which every rank has, that this rank has of ``like``."""
    from torch.distributed.tensor import DTensor, Replicate

    everywhere = DTensor.from_local(whole, like.device_mesh, [Replicate()] * like.device_mesh.ndim)
    return everywhere.redistribute(placements=like.placements).to_local()


def zero_silent(call: Call, flat: Tensor) -> None:
    """Zero the silent units' columns of ``flat``, in place; under `torch.compile` the weight has zeros instead."""
    if not torch.compiler.is_compiling():
        for unit in call.silent:
            unit_views(call.geometry, flat, unit, dim=1).zero_()


def gate(call: Call, flat: Tensor, lead: tuple[int, ...]) -> None:
    """Zero the gated units' columns of ``flat`` in the rows where they do not run, in place."""
    for unit, mask in call.gates:
        unit_views(call.geometry, flat, unit, dim=1).mask_rows_(mask, lead)


def gated(call: Call, x: Tensor) -> Tensor:
    """A copy of ``x`` with the gated units' positions zero in the rows where they do not run, laid out in memory as ``x`` is."""
    zeroed, lead = x.clone(), tuple(x.shape[:-1])
    for unit, mask in call.gates:
        silent = ~mask.rows(lead).view(*lead, 1)
        for view in unit_views(call.geometry, zeroed, unit, dim=-1).views:
            view.masked_fill_(silent, 0)
    return zeroed
