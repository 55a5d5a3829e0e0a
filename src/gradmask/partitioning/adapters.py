"""Adapters: groups that add a low-rank matrix to linear layers instead of owning a slice of them (LoRA).

An adapted layer is a module with a shared weight and summands of rank r, as a head with own tables is
(`gradmask.partitioning.tables`); running, freezing, strength, merging, saving and removal are the same.
Source: Hu et al., LoRA, arXiv 2106.09685.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from transformers.pytorch_utils import Conv1D

from gradmask.errors import GradmaskError
from gradmask.partitioning.kinds import match
from gradmask.partitioning.sites import ExpertSite, Projection, Site
from gradmask.partitioning.slices import Slice


@dataclass(frozen=True)
class Adapter:
    """A removable group that adds ``B A``, of rank ``rank``, to weights of the blocks: B zero and A random at the start.

    To keep the base as it is, freeze it before the partition: ``model.requires_grad_(False)``. Otherwise it learns as the
    ``retain`` group.

    Args:
        rank: of each added matrix, at least 1 and at most the smaller side of the smallest weight.
        targets: kinds (``attention``, ``mlp``, ``projections``) or glob patterns of parameter names.
        layers: indices of the blocks that are adapted; None is every block.
    """

    rank: int = 16
    targets: Sequence[str] = ("attention", "mlp")
    layers: Sequence[int] | None = None

    heads: ClassVar[int] = 0
    neurons: ClassVar[int] = 0
    experts: ClassVar[int] = 0
    embeddings: ClassVar[bool] = False
    query_only: ClassVar[bool] = True
    new: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if isinstance(self.rank, bool) or not isinstance(self.rank, int) or self.rank < 1:
            raise GradmaskError(f"an adapter's rank is a whole number of at least 1, got {self.rank!r}")
        if isinstance(self.targets, str) or not self.targets:
            raise GradmaskError(f"an adapter's targets are a list of kinds or glob patterns, got {self.targets!r}")

    def covers(self, layer: int) -> bool:
        """Whether block ``layer`` is adapted."""
        return self.layers is None or layer in self.layers


Group = Slice | Adapter


def adapted_layers(
    groups: Mapping[str, Group], sites: Sequence[Site], kinds: dict[str, set[str]]
) -> dict[str, list[str]]:
    """Layer name -> the groups that adapt it.

    Raises:
        GradmaskError: targets that match nothing or no linear layer of a block, a rank above a weight's, or a layer of
            which another group has a slice.
    """
    found: dict[str, list[str]] = {}
    for group, piece in groups.items():
        if isinstance(piece, Adapter):
            for projection in _targets(group, piece, sites, kinds):
                found.setdefault(projection.name, []).append(group)
    return found


def _targets(group: str, piece: Adapter, sites: Sequence[Site], kinds: dict[str, set[str]]) -> Iterator[Projection]:
    names = match(piece.targets, kinds, f"targets of group {group!r}")
    dense = [site for site in sites if not isinstance(site, ExpertSite) and piece.covers(site.layer)]
    chosen = [p for site in dense for p in site.projections if f"{p.name}.weight" in names]
    if not chosen:
        raise GradmaskError(
            f"targets of group {group!r}: {', '.join(piece.targets)} name no linear layer of the blocks that it covers; "
            "adapters stand on attention and MLP layers, not on fused experts, embeddings or heads"
        )
    for projection in chosen:
        if not isinstance(projection.module, (nn.Linear, Conv1D)):
            raise GradmaskError(f"{projection.name} is a {type(projection.module).__name__}, which no adapter fits")
        if piece.rank > min(projection.module.weight.shape):
            raise GradmaskError(
                f"group {group!r}: rank {piece.rank} is above that of {projection.name}, "
                f"{' x '.join(map(str, projection.module.weight.shape))}: give a smaller one"
            )
        yield projection


def check_uncut(adapted: Mapping[str, Sequence[str]], cut: Mapping[str, Sequence[str]]) -> None:
    """Raise a `GradmaskError` where a layer would be both cut and adapted; each maps a layer's name to groups."""
    for name in adapted:
        if name in cut:
            raise GradmaskError(
                f"{name}: group {adapted[name][0]!r} adapts this layer, of which group {cut[name][0]!r} has a slice. Give them "
                "other layers or targets"
            )
