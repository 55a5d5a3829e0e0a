"""A parameter of experts of which groups own whole experts, hidden neurons inside all the others, or both.

Its first dimension counts experts. A group that owns both has one flat part: its experts, and then its neurons of the others,
two blocks that no one rectangle holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from gradmask.partitioning.kernel.layout import Layout


@dataclass(frozen=True)
class Nested:
    """Who owns which entries of one tensor of experts.

    Args:
        experts: who owns which whole experts; ``rest`` has those whose neurons are shared out.
        inside: who owns which positions along ``dim`` of the experts of ``rest``.
        dim: the dimension that counts hidden neurons.
        shape: of the whole tensor.
        rest: the group that owns what no other does.
    """

    experts: Layout
    inside: Layout
    dim: int
    shape: tuple[int, ...]
    rest: str

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.rest, *self.experts.groups, *self.inside.groups)))

    @property
    def positions(self) -> Mapping[str, tuple[int, ...]]:
        """The whole experts of each group."""
        return self.experts.positions

    @property
    def size(self) -> int:
        return self.experts.size

    def take(self, whole: Tensor, group: str, dim: int = 0) -> Tensor:
        """A group's part; ``dim`` is not read, here and below."""
        owns_experts = group != self.rest and group in self.experts.groups
        outer = [self.experts.take(whole, group, 0)] if owns_experts else []
        inner = []
        if group in self.inside.groups:
            inner = [self.inside.take(self.experts.take(whole, self.rest, 0), group, self.dim)]
        blocks = [*outer, *inner]
        return blocks[0] if len(blocks) == 1 else torch.cat([block.flatten() for block in blocks])

    def assemble(self, parts: Mapping[str, Tensor], dim: int = 0) -> Tensor:
        """The whole from its parts."""
        outer, inner = {}, {}
        for group in self.groups:
            both = self._blocks(group, parts[group])
            outer |= {group: both[0]} if both[0] is not None else {}
            inner |= {group: both[1]} if both[1] is not None else {}
        return self.experts.assemble({**outer, self.rest: self.inside.assemble(inner, self.dim)}, 0)

    def _blocks(self, group: str, part: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Of a part: the group's experts, and its neurons of the others."""
        count = self.experts.count(group) if group != self.rest else 0
        if not count:
            return None, part
        if group not in self.inside.groups:
            return part, None
        shape = (count, *self.shape[1:])
        inner = [self.experts.count(self.rest), *self.shape[1:]]
        inner[self.dim] = self.inside.count(group)
        return part[: prod(shape)].view(shape), part[prod(shape) :].view(inner)

    def without(self, whole: Tensor, groups: object, dim: int = 0) -> Tensor:
        """No config says that some experts are narrower than others."""
        raise NotImplementedError
