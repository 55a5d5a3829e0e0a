"""The places in a model where groups can be cut: attentions and MLPs, with the rows and columns of their units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, cast

from torch import nn
from transformers.pytorch_utils import Conv1D

from gradmask.partitioning.architectures.declaration import SECTIONS
from gradmask.partitioning.architectures.expert_neurons import ExpertNeurons
from gradmask.partitioning.architectures.quantized import is_quantized, shape_of


def sections(packing: str, size: int) -> list[tuple[str, int, int]] | None:
    """The sections ``(kind, start, size)`` of a projection of ``size`` rows; None where the packing has none."""
    if packing in ("h", "g"):
        return [(packing, 0, size)]
    if not SECTIONS.fullmatch(packing):
        return None
    parts = [(part[0], int(part[1:])) for part in packing.split("|")]
    starts = [0, *accumulate(length for _, length in parts)]
    return [(kind, start, length) for (kind, length), start in zip(parts, starts, strict=False)]


@dataclass(frozen=True)
class Projection:
    """One linear layer of a site and the positions that each unit owns along its cut side."""

    name: str
    module: nn.Module
    split: Literal["out", "in"]
    size: int
    packing: str
    bias_apart: bool = False

    @property
    def transposed(self) -> bool:
        """Whether its weight is ``[in, out]``."""
        return isinstance(self.module, Conv1D)

    @property
    def shape(self) -> tuple[int, int]:
        """Of its weight: ``(out, in)``."""
        return shape_of(self.module)

    @property
    def quantized(self) -> bool:
        """Whether its weight is quantized: it can carry adapters, but cannot be cut."""
        return is_quantized(self.module)

    @property
    def linear(self) -> nn.Linear:
        """The module, to a type checker as what it is or, a Conv1D, reads like."""
        return cast(nn.Linear, self.module)


@dataclass(frozen=True)
class Entries:
    """A parameter beside the layers of a site, of which units have entries along its first dimension with more than one."""

    name: str
    module: nn.Module
    packing: str
    parameter: nn.Parameter

    split = "out"

    @property
    def path(self) -> str:
        """Of its module."""
        return self.name.rpartition(".")[0]

    @property
    def dim(self) -> int:
        return next((dim for dim, size in enumerate(self.parameter.shape) if size > 1), 0)

    @property
    def size(self) -> int:
        return self.parameter.shape[self.dim] if self.parameter.dim() else 0


@dataclass(frozen=True)
class AttentionSite:
    """An attention: ``heads`` query heads of ``head_dim``, ``kv_heads`` key and value heads."""

    name: str
    layer: int
    heads: int
    kv_heads: int
    head_dim: int
    mixes_heads: bool
    projections: tuple[Projection, ...]
    entries: tuple[Entries, ...] = ()

    unit = "heads"

    def parameters(self) -> list[nn.Parameter]:
        """Of all its layers, and what its heads have entries of."""
        return _parameters(self.projections, self.entries)

    @property
    def total(self) -> int:
        return self.heads

    @property
    def mixes(self) -> bool:
        """Whether its units must be silent before what mixes them."""
        return self.mixes_heads

    @property
    def repeats(self) -> int:
        """Query heads per key-value head."""
        return self.heads // self.kv_heads

    def positions(self, projection: Projection | Entries, heads: Sequence[int]) -> list[int]:
        """Rows (or, of the output projection, columns) of ``projection`` that belong to these query heads."""
        chosen = set(heads)
        kv = [j for j in range(self.kv_heads) if all(j * self.repeats + i in chosen for i in range(self.repeats))]
        if (parts := sections(projection.packing, projection.size)) is not None:
            return [p for part in parts for p in self._of_section(*part, sorted(chosen), kv)]
        return [p for start in self._starts(projection.packing, sorted(chosen), kv) for p in self._block(start)]

    def _of_section(self, kind: str, start: int, size: int, heads: Sequence[int], kv: Sequence[int]) -> Iterator[int]:
        counts = {"h": (self.heads, heads), "g": (self.kv_heads, kv)}
        for total, indices in [counts[kind]] if kind in counts else []:
            for i in indices:
                yield from range(start + i * size // total, start + (i + 1) * size // total)

    def _block(self, start: int) -> range:
        return range(start * self.head_dim, (start + 1) * self.head_dim)

    def _starts(self, packing: str, heads: Sequence[int], kv: Sequence[int]) -> list[int]:
        """Positions counted in blocks of ``head_dim``."""
        if packing == "q":
            return list(heads)
        if packing in ("k", "v"):
            return list(kv)
        if packing == "q|k|v":
            keys = [self.heads + j for j in kv]
            return [*heads, *keys, *(j + self.kv_heads for j in keys)]
        if packing == "(qkv)":
            return [3 * h + i for h in heads for i in range(3)]
        width, r = self.repeats + 2, self.repeats
        queries = [h // r * width + h % r for h in heads]
        return sorted([*queries, *(j * width + r + i for j in kv for i in range(2))])

    def fits(self, projection: Projection | Entries) -> bool:
        """Whether a projection has the number of output rows that its packing needs."""
        parts = sections(projection.packing, projection.size)
        if parts is None:
            alone = projection.packing != "(qkv)" or self.kv_heads == self.heads
            return alone and projection.size == self.rows(projection.packing)
        counts = {"h": self.heads, "g": self.kv_heads, "_": 1}
        whole = sum(size for _, _, size in parts) == projection.size
        return whole and all(size % counts[kind] == 0 for kind, _, size in parts)

    def rows(self, packing: str) -> int:
        """How many output rows a projection with this packing must have; it has no sections."""
        blocks = {"q": self.heads, "k": self.kv_heads, "v": self.kv_heads}
        return self.head_dim * blocks.get(packing, self.heads + 2 * self.kv_heads)


@dataclass(frozen=True)
class MlpSite:
    """A feed-forward of ``total`` hidden units, each with ``fused`` rows in every input projection."""

    name: str
    layer: int
    total: int
    fused: int
    projections: tuple[Projection, ...]
    mixes_neurons: bool = False
    entries: tuple[Entries, ...] = ()

    unit = "neurons"

    @property
    def mixes(self) -> bool:
        """Whether its units must be silent before what mixes them."""
        return self.mixes_neurons

    def parameters(self) -> list[nn.Parameter]:
        """Of all its layers, and what its neurons have entries of."""
        return _parameters(self.projections, self.entries)

    def positions(self, projection: Projection | Entries, neurons: Sequence[int]) -> list[int]:
        copies = projection.size // self.total
        return [n + c * self.total for c in range(copies) for n in neurons]


@dataclass(frozen=True)
class ExpertSite:
    """``total`` experts: the modules that hold them and their router, with the parameters that count experts first."""

    name: str
    layer: int
    total: int
    modules: tuple[tuple[str, nn.Module], ...]
    writes: str
    inside: ExpertNeurons | None = None
    """The neurons of each expert, where its tensors show them."""

    unit = "experts"

    def parameters(self) -> list[nn.Parameter]:
        """Of the experts and their router."""
        return [p for _, module in self.modules for p in module.parameters()]


DenseSite = AttentionSite | MlpSite


def fitting_packings(site: DenseSite, size: int) -> Iterator[str]:
    """How ``size`` entries may be those of a site's units, likeliest first."""
    if isinstance(site, MlpSite):
        yield from ["each"] if size == site.total else []
        return
    heads, groups, inner = site.heads, site.kv_heads, site.heads * site.head_dim
    yield from ["h"] if size and size % heads == 0 else []
    yield from ["g"] if size and size % groups == 0 and groups != heads else []
    if size > inner:
        key = (
            size - inner
        ) // 2  # channels of a convolution: of queries and keys, then values; or values, then what is shared
        yield from [f"g{key}|g{key}|h{inner}"] if 2 * key + inner == size and key % groups == 0 else []
        yield f"h{inner}|_{size - inner}"


def _parameters(projections: Sequence[Projection], entries: Sequence[Entries]) -> list[nn.Parameter]:
    return [*(p for projection in projections for p in projection.module.parameters()), *(e.parameter for e in entries)]


Site = DenseSite | ExpertSite


def with_inside(sites: Sequence[Site]) -> list[Site | ExpertNeurons]:
    """All places of which groups can own units: those inside experts stand beside the mixture that has them."""
    inside = [site.inside for site in sites if isinstance(site, ExpertSite) and site.inside is not None]
    return [*sites, *inside]
