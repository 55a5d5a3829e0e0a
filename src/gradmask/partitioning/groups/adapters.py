"""Removable groups that are low-rank adapters (LoRA, arXiv 2106.09685) of a pretrained model's linear layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.partitioning.architectures.sites import AttentionSite, ExpertSite, Projection, Site
from gradmask.partitioning.groups.slices import Slice, check_embeddings

TARGET_KINDS = ("attention", "mlp", "projections")


@dataclass(frozen=True)
class Adapter:
    """A removable group that adds ``alpha / rank * B @ A`` to the weights of linear layers: A random, B zero at first.

    Args:
        rank: rows of A ``[rank, in]`` and columns of B ``[out, rank]``.
        alpha: ``B @ A`` is scaled by alpha over rank; None is the rank itself, a scale of 1.
        targets: which layers; None is every linear layer of attentions and MLPs. Else kinds (``attention``, ``mlp``,
            ``projections``: those that write to the residual stream), a name or its end (``q_proj``), or a glob pattern.
        layers: indices of the blocks that are adapted; None is every block.
        dropout: share of an adapter's inputs that is dropped in training.
        embeddings: give the group embedding and head tables of its own too, as in `Slice`.
    """

    rank: int = 16
    alpha: float | None = None
    targets: Sequence[str] | None = None
    layers: Sequence[int] | None = None
    dropout: float = 0.0
    embeddings: bool | int | Sequence[int] = False

    heads: ClassVar[int] = 0
    neurons: ClassVar[int] = 0
    experts: ClassVar[int] = 0
    expert_neurons: ClassVar[int] = 0
    cuts: ClassVar[bool] = False
    query_only: ClassVar[bool] = False
    new: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if type(self.rank) is not int or self.rank < 1:
            raise GradmaskError(f"rank={self.rank!r}: an adapter needs a rank of at least 1")
        if self.alpha is not None and not (_is_number(self.alpha) and 0 < self.alpha < float("inf")):
            raise GradmaskError(f"alpha={self.alpha!r}: give a positive number, or None for the rank")
        if self.targets is not None and not _are_names(self.targets):
            raise GradmaskError(
                f"targets={self.targets!r}: give a list of kinds ({', '.join(TARGET_KINDS)}), names or patterns of layers"
            )
        if not _is_number(self.dropout) or not 0 <= self.dropout < 1:
            raise GradmaskError(f"dropout={self.dropout!r}: give a share from 0 to below 1")
        check_embeddings(self.embeddings)

    @property
    def scale(self) -> float:
        """What ``B @ A`` is multiplied with."""
        return 1.0 if self.alpha is None else self.alpha / self.rank

    def covers(self, layer: int) -> bool:
        """Whether the group adapts block ``layer``."""
        return self.layers is None or layer in self.layers


GroupSpec = Slice | Adapter
"""What a removable group owns: what users give to `gradmask.partition` for each group."""


def adapters_of(groups: Mapping[str, GroupSpec]) -> dict[str, Adapter]:
    """The groups that are adapters."""
    return {group: spec for group, spec in groups.items() if isinstance(spec, Adapter)}


def choose_layers(groups: Mapping[str, GroupSpec], sites: Sequence[Site]) -> dict[str, list[Projection]]:
    """Group -> the layers that its adapter is added to; groups that are slices are left out.

    Raises:
        GradmaskError: a target matches nothing, a rank is above a layer's, or another group cuts heads, neurons or experts
            out of the layers that are to be adapted.
    """
    adapters = adapters_of(groups)
    if not adapters:
        return {}
    for group, spec in groups.items():
        if spec.cuts:
            raise GradmaskError(
                f"group {group!r} is a slice of heads, neurons or experts, and {next(iter(adapters))!r} an adapter: adapters "
                "are added to whole layers. Make all groups adapters, or all slices (one of embeddings alone may stay)"
            )
    return {group: _chosen(group, adapter, sites) for group, adapter in adapters.items()}


def _chosen(group: str, adapter: Adapter, sites: Sequence[Site]) -> list[Projection]:
    known = [
        (site, projection) for site in sites if not isinstance(site, ExpertSite) for projection in site.projections
    ]
    chosen: dict[str, Projection] = {}
    for target in ("*",) if adapter.targets is None else adapter.targets:
        matching = [(site, p) for site, p in known if _matches(target, site, p)]
        if not matching:
            ends = {p.name.rpartition(".")[2] for _, p in known}
            raise GradmaskError(
                f"group {group!r}: target {target!r} matches no linear layer that can be adapted."
                f"{did_you_mean(target, [*({*TARGET_KINDS, *ends} - {target})])} Layers: {', '.join(sorted(ends)) or 'none'}; "
                f"kinds: {', '.join(TARGET_KINDS)}"
            )
        chosen |= {p.name: p for site, p in matching if adapter.covers(site.layer)}
    for projection in chosen.values():
        shape = projection.shape
        if adapter.rank > min(shape):
            raise GradmaskError(
                f"group {group!r}: rank {adapter.rank} is above that of {projection.name}, "
                f"{' x '.join(map(str, shape))}: give a smaller one"
            )
    return list(chosen.values())


def _matches(target: str, site: Site, projection: Projection) -> bool:
    if target == "projections":
        return projection.split == "in"
    if target in TARGET_KINDS:
        return (target == "attention") == isinstance(site, AttentionSite)
    name = projection.name
    return name == target or name.endswith(f".{target}") or fnmatchcase(name, target)


def _are_names(targets: object) -> bool:
    if isinstance(targets, str) or not isinstance(targets, Sequence) or not targets:
        return False
    return all(isinstance(target, str) for target in targets)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
