"""The places in a model where groups can be cut: attentions and MLPs, with the rows and columns of their units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures import Architecture, Attention, Mlp


@dataclass(frozen=True)
class Projection:
    """One linear layer of a site and the positions that each unit owns along its cut side."""

    name: str
    module: nn.Module
    split: str
    size: int
    packing: str

    @property
    def transposed(self) -> bool:
        return isinstance(self.module, Conv1D)


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

    unit = "heads"

    @property
    def total(self) -> int:
        return self.heads

    @property
    def repeats(self) -> int:
        """Query heads per key-value head."""
        return self.heads // self.kv_heads

    def positions(self, projection: Projection, heads: Sequence[int]) -> list[int]:
        """Rows (or, of the output projection, columns) of ``projection`` that belong to these query heads."""
        chosen = set(heads)
        kv = [j for j in range(self.kv_heads) if all(j * self.repeats + i in chosen for i in range(self.repeats))]
        return [p for start in self._starts(projection.packing, sorted(chosen), kv) for p in self._block(start)]

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

    def rows(self, packing: str) -> int:
        """How many output rows a projection with this packing must have."""
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

    unit = "neurons"

    def positions(self, projection: Projection, neurons: Sequence[int]) -> list[int]:
        copies = 1 if projection.split == "in" else self.fused
        return [n + c * self.total for c in range(copies) for n in neurons]


Site = AttentionSite | MlpSite


def base_prefix(model: PreTrainedModel) -> str:
    """The name of the base model inside ``model``, with a trailing dot, or an empty string."""
    prefix = getattr(model, "base_model_prefix", "")
    return f"{prefix}." if prefix and hasattr(model, prefix) else ""


def find_sites(model: PreTrainedModel, architecture: Architecture) -> list[Site]:
    """Every attention and MLP that ``architecture`` declares, in the order of the blocks.

    Raises:
        GradmaskError: a declared path matches nothing in any block, or a projection has a shape that the config denies.
    """
    sites: list[Site] = []
    unmatched = {spec.output for spec in (*architecture.attention, *architecture.mlp)}
    for layer, (name, block) in enumerate(_blocks(model, architecture)):
        for attention in architecture.attention:
            if _get(block, attention.output) is not None:
                sites.append(_attention_site(model, name, layer, block, attention))
                unmatched.discard(attention.output)
        for mlp in architecture.mlp:
            if _get(block, mlp.output) is not None:
                sites.append(_mlp_site(name, layer, block, mlp))
                unmatched.discard(mlp.output)
    if unmatched:
        raise GradmaskError(
            f"the declaration for {model.config.model_type!r} names {sorted(unmatched)}, which no block of "
            f"{type(model).__name__} has: the library may have renamed them; correct it with gm.register(...)"
        )
    return sites


def _blocks(model: PreTrainedModel, architecture: Architecture) -> Iterator[tuple[str, nn.Module]]:
    prefix = base_prefix(model)
    for path in architecture.blocks:
        blocks = _get(model, prefix + path)
        if not isinstance(blocks, nn.ModuleList) or not len(blocks):
            raise GradmaskError(
                f"{type(model).__name__} has no list of blocks at {prefix + path!r}, where the declaration for "
                f"{model.config.model_type!r} expects it"
            )
        for i, block in enumerate(blocks):
            yield f"{prefix}{path}.{i}", block


def _get(module: nn.Module, path: str) -> nn.Module | None:
    for part in path.split("."):
        found = getattr(module, part, None)
        if not isinstance(found, nn.Module):
            return None
        module = found
    return module


def _attention_site(model: PreTrainedModel, name: str, layer: int, block: nn.Module, spec: Attention) -> AttentionSite:
    config = model.config.get_text_config()
    heads = int(getattr(config, spec.heads))
    kv_heads = int((getattr(config, spec.kv_heads, None) if spec.kv_heads else None) or heads)
    projections = tuple(_projection(block, name, path, "out", p) for path, p in spec.inputs.items())
    output = _projection(block, name, spec.output, "in", "q")
    if output.size % heads or heads % kv_heads:
        raise GradmaskError(f"{output.name} reads {output.size} columns, not a multiple of its {heads} heads")
    site = AttentionSite(
        name, layer, heads, kv_heads, output.size // heads, spec.mixes_heads, (*projections, output)
    )
    for projection in projections:
        if projection.size != site.rows(projection.packing):
            raise GradmaskError(
                f"{projection.name} has {projection.size} output rows; its packing {projection.packing!r} with {heads} "
                f"heads, {kv_heads} key-value heads of {site.head_dim} needs {site.rows(projection.packing)}"
            )
    return site


def _mlp_site(name: str, layer: int, block: nn.Module, spec: Mlp) -> MlpSite:
    output = _projection(block, name, spec.output, "in", "q")
    inputs = tuple(_projection(block, name, path, "out", "q") for path in spec.inputs)
    for projection in inputs:
        if projection.size != spec.fused * output.size:
            raise GradmaskError(
                f"{projection.name} has {projection.size} output rows, but {output.name} reads {output.size} units with "
                f"{spec.fused} row(s) each"
            )
    return MlpSite(name, layer, output.size, spec.fused, (*inputs, output))


def _projection(block: nn.Module, block_name: str, path: str, split: str, packing: str) -> Projection:
    module = _get(block, path)
    if not isinstance(module, (nn.Linear, Conv1D)):
        raise GradmaskError(
            f"{block_name}.{path} is {type(module).__name__ if module is not None else 'missing'}, and a group can only "
            "be cut out of a torch.nn.Linear or a Conv1D"
        )
    out_size, in_size = module.weight.shape[:: -1 if isinstance(module, Conv1D) else 1]
    return Projection(f"{block_name}.{path}", module, split, out_size if split == "out" else in_size, packing)


def site_amounts(site: Site, groups: Mapping[str, object]) -> dict[str, object]:
    """What each group asks for at this site (`Slice.heads` or `Slice.neurons`)."""
    found = {}
    for name, piece in groups.items():
        found[name] = getattr(piece, site.unit) if piece.covers(site.layer) else 0  # type: ignore[attr-defined]
    return found
