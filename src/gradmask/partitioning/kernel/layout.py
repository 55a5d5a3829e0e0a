"""Which positions along one dimension of a weight belong to which group."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor

from gradmask.errors import GradmaskError


@dataclass(frozen=True)
class Span:
    """``length`` neighbouring positions of one group: at ``start`` in the whole, at ``offset`` in the group's part."""

    group: str
    start: int
    offset: int
    length: int


@dataclass(frozen=True)
class Layout:
    """A partition of ``size`` positions: each group's positions, ascending, none shared, none left over."""

    size: int
    positions: Mapping[str, tuple[int, ...]]
    spans: tuple[Span, ...] = field(init=False, repr=False, compare=False)
    _spans_by_group: dict[str, tuple[Span, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        owned = sorted(p for positions in self.positions.values() for p in positions)
        if owned != list(range(self.size)):
            raise GradmaskError(
                f"a layout must give each of {self.size} positions to exactly one group, got the positions {owned}"
            )
        by_group = {group: tuple(_spans(group, positions)) for group, positions in self.positions.items()}
        in_order = sorted((span for spans in by_group.values() for span in spans), key=lambda span: span.start)
        object.__setattr__(self, "_spans_by_group", by_group)
        object.__setattr__(self, "spans", tuple(in_order))

    @classmethod
    def whole(cls, size: int, group: str) -> Layout:
        """Everything belongs to one group."""
        return cls(size, {group: tuple(range(size))})

    @classmethod
    def carve(cls, size: int, groups: Mapping[str, Sequence[int]], rest: str) -> Layout:
        """Give ``groups`` their positions and everything else to ``rest``; empty groups are left out."""
        taken = {p for positions in groups.values() for p in positions}
        remaining = tuple(p for p in range(size) if p not in taken)
        positions = {rest: remaining, **{g: tuple(sorted(p)) for g, p in groups.items()}}
        return cls(size, {g: p for g, p in positions.items() if p})

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(self.positions)

    def count(self, group: str) -> int:
        return len(self.positions.get(group, ()))

    def spans_of(self, group: str) -> tuple[Span, ...]:
        """The spans of one group, ascending."""
        return self._spans_by_group.get(group, ())

    def take(self, whole: Tensor, group: str, dim: int) -> Tensor:
        """``group``'s positions of ``whole`` along ``dim``: a view where they are neighbours, else a copy."""
        views = [whole.narrow(dim, span.start, span.length) for span in self.spans_of(group)]
        return views[0] if len(views) == 1 else torch.cat(views, dim)

    def assemble(self, parts: Mapping[str, Tensor], dim: int) -> Tensor:
        """The whole from its parts; the part itself, not a copy, where one group owns everything."""
        if len(self.positions) == 1:
            return parts[self.groups[0]]
        return torch.cat([self._piece(parts[span.group], span, dim) for span in self.spans], dim)

    def _piece(self, part: Tensor, span: Span, dim: int) -> Tensor:
        return part if span.length == self.count(span.group) else part.narrow(dim, span.offset, span.length)

    def without(self, whole: Tensor, groups: Collection[str], dim: int) -> Tensor:
        """What is left of ``whole`` without the positions of ``groups``."""
        kept = sorted(p for group, own in self.positions.items() if group not in groups for p in own)
        return whole.index_select(dim, torch.tensor(kept, device=whole.device))


@dataclass(frozen=True)
class Along:
    """A layout along a dimension of its own, whatever ``dim`` says."""

    layout: Layout
    dim: int

    @property
    def groups(self) -> tuple[str, ...]:
        return self.layout.groups

    @property
    def positions(self) -> Mapping[str, tuple[int, ...]]:
        return self.layout.positions

    @property
    def size(self) -> int:
        return self.layout.size

    def take(self, whole: Tensor, group: str, dim: int = 0) -> Tensor:
        return self.layout.take(whole, group, self.dim)

    def assemble(self, parts: Mapping[str, Tensor], dim: int = 0) -> Tensor:
        return self.layout.assemble(parts, self.dim)

    def without(self, whole: Tensor, groups: Collection[str], dim: int = 0) -> Tensor:
        return self.layout.without(whole, groups, self.dim)


class AnyLayout(Protocol):
    """How a parameter is taken apart: `Layout`, `Along`, or `gradmask.partitioning.kernel.nested.Nested`."""

    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def positions(self) -> Mapping[str, tuple[int, ...]]: ...
    @property
    def size(self) -> int: ...
    def take(self, whole: Tensor, group: str, dim: int) -> Tensor: ...
    def assemble(self, parts: Mapping[str, Tensor], dim: int) -> Tensor: ...
    def without(self, whole: Tensor, groups: Collection[str], dim: int) -> Tensor: ...


def pieces(whole: Tensor, dim: int, stretches: Sequence[tuple[int, int]]) -> Tensor:
    """Stretches (first, how many) of ``whole`` along ``dim``: itself where there are none, a view of one, else a copy."""
    views = [whole.narrow(dim, *stretch) for stretch in stretches]
    return torch.cat(views, dim) if len(views) > 1 else views[0] if views else whole


def sharded_like(whole: Tensor, part: Tensor) -> Tensor:
    """``whole``, sharded over ranks as its ``part`` is by FSDP2; concatenating parts has replicated it."""
    placements = getattr(part, "placements", None)  # of a DTensor
    sharded: Any = whole
    return whole if placements is None else sharded.redistribute(placements=placements)


def _spans(group: str, positions: Sequence[int]) -> list[Span]:
    if not positions:
        return []
    breaks = [i + 1 for i, (a, b) in enumerate(pairwise(positions)) if b != a + 1]
    edges = [0, *breaks, len(positions)]
    return [Span(group, positions[a], a, b - a) for a, b in pairwise(edges)]
