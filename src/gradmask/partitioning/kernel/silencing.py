"""In-place arithmetic on the positions of one group's units, in a weight or in an activation."""

from __future__ import annotations

import torch
from torch import Tensor

from gradmask.partitioning.kernel.call import Call, Geometry


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

    def mask_rows_(self, keep: Tensor) -> None:
        """Set them to zero in the rows ``[N]`` that are not kept."""
        for view in self.views:
            view.masked_fill_(~keep.unsqueeze(-1), 0)


def unit_views(geometry: Geometry, whole: Tensor, unit: str, dim: int | None = None) -> UnitViews:
    """The positions of ``unit`` along ``dim``, by default the dimension of the weight that is cut."""
    dim = geometry.dim if dim is None else dim
    return UnitViews([whole.narrow(dim, span.start, span.length) for span in geometry.units.spans_of(unit)])


def zero_silent(call: Call, flat: Tensor) -> None:
    """Zero the silent units' columns of ``flat``, in place; under `torch.compile` the weight has zeros instead."""
    if not torch.compiler.is_compiling():
        for unit in call.silent:
            unit_views(call.geometry, flat, unit, dim=1).zero_()


def gate(call: Call, flat: Tensor, lead: tuple[int, ...]) -> None:
    """Zero the gated units' columns of ``flat`` in the rows where they do not run, in place."""
    for unit, mask in call.gates:
        unit_views(call.geometry, flat, unit, dim=1).mask_rows_(mask.rows(lead))
