"""Finding the places that a declaration names in a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures import Architecture, Attention, Mlp, architecture_of, is_built_in
from gradmask.partitioning.architectures.expert_neurons import neurons_inside
from gradmask.partitioning.architectures.quantized import is_linear, is_quantized, shape_of
from gradmask.partitioning.architectures.sites import (
    AttentionSite,
    DenseSite,
    Entries,
    ExpertSite,
    MlpSite,
    Projection,
    Site,
    sections,
)


def blocks(model: PreTrainedModel) -> list[nn.Module]:
    """The blocks of a network, first to last.

    Raises:
        GradmaskError: the architecture is not known.
    """
    return [block for _, block in find_blocks(model, architecture_of(model))]


def sites(model: PreTrainedModel) -> list[Site]:
    """The attentions, MLPs and mixtures of experts of a model that is not partitioned, in the order of the blocks.

    Raises:
        GradmaskError: the architecture is not known, or does not fit the model.
    """
    return find_sites(model, architecture_of(model))


def find_sites(model: PreTrainedModel, architecture: Architecture) -> list[Site]:
    """Every attention, MLP and mixture of experts that ``architecture`` declares, in the order of the blocks.

    Raises:
        GradmaskError: a declared path matches nothing in any block, or the shape of a projection contradicts the config.
    """
    sites: list[Site] = []
    specs = (*architecture.attention, *architecture.mlp)
    unmatched = {spec.output for spec in specs if not spec.optional}
    unmatched |= {spec.module for spec in architecture.experts if not spec.optional}
    if not is_built_in(architecture):  # some of ours are of several types, or of variants of one
        unmatched |= {path for spec in specs for path in spec.entries}
    for layer, (name, block) in enumerate(find_blocks(model, architecture)):
        dense = [_fitting(model, architecture, name, layer, block, rivals) for rivals in _present(name, block, specs)]
        unmatched -= {p.name.removeprefix(f"{name}.") for site in dense for p in (site.projections[-1], *site.entries)}
        sites += _distinct(dense)
        experts = _expert_sites(name, layer, block, architecture)
        unmatched -= {f"{path}" for path, _ in experts}
        sites += [site for _, site in experts]
    if unmatched:
        raise GradmaskError(
            f"the declaration for {model.config.model_type!r} names {sorted(unmatched)}, which no block of "
            f"{type(model).__name__} has: the library may have renamed them; correct it with gm.register(...)"
        )
    return sites


def _expert_sites(name: str, layer: int, block: nn.Module, architecture: Architecture) -> list[tuple[str, ExpertSite]]:
    sites = []
    for spec in architecture.experts:
        experts, router = get_module(block, spec.module), get_module(block, spec.router)
        if experts is None:
            continue
        written = experts._parameters.get(spec.writes)
        total = 0 if written is None else written.shape[0]
        weight = router._parameters.get("weight") if router is not None else None
        if router is None or weight is None or weight.shape[0] != total:
            raise GradmaskError(
                f"{name}.{spec.module} holds {total} experts, but {name}.{spec.router} has no weight with a row for each"
            )
        modules = ((f"{name}.{spec.module}", experts), (f"{name}.{spec.router}", router))
        inside = neurons_inside(name, layer, modules[0][0], experts, spec.writes)
        sites.append((spec.module, ExpertSite(name, layer, total, modules, spec.writes, inside)))
    return sites


def find_blocks(model: PreTrainedModel, architecture: Architecture) -> Iterator[tuple[str, nn.Module]]:
    """Every block with its name in ``model``.

    Raises:
        GradmaskError: there is no list of modules where the declaration expects one.
    """
    prefix = base_prefix(model)
    for path in architecture.blocks:
        blocks = get_module(model, prefix + path)
        if not isinstance(blocks, nn.ModuleList) or not len(blocks):
            raise GradmaskError(
                f"{type(model).__name__} has no list of blocks at {prefix + path!r}, where the declaration for "
                f"{model.config.model_type!r} expects it"
            )
        for i, block in enumerate(blocks):
            yield f"{prefix}{path}.{i}", block


def base_prefix(model: PreTrainedModel) -> str:
    """The name of the base model inside ``model``, with a trailing dot, or an empty string."""
    prefix = getattr(model, "base_model_prefix", "")
    return f"{prefix}." if prefix and hasattr(model, prefix) else ""


def get_module(module: nn.Module, path: str) -> nn.Module | None:
    """The submodule at ``path``, or None."""
    for part in path.split("."):
        child = getattr(module, part, None)
        if not isinstance(child, nn.Module):
            return None
        module = child
    return module


def _present(name: str, block: nn.Module, specs: Sequence[Attention | Mlp]) -> Iterator[list[Attention | Mlp]]:
    """For each output that this block has, the declarations whose modules it has; half of one is an error."""
    for output in dict.fromkeys(spec.output for spec in specs):
        if get_module(block, output) is None:
            continue
        rivals = [spec for spec in specs if spec.output == output]
        complete = [spec for spec in rivals if all(get_module(block, path) is not None for path in spec.paths)]
        if complete:
            yield complete
        elif not all(spec.optional for spec in rivals):
            missing = sorted({p for spec in rivals for p in spec.paths if get_module(block, p) is None})
            raise GradmaskError(f"{name} has {output!r} but lacks {missing}, which its declaration names with it")


def _fitting(
    model: PreTrainedModel,
    architecture: Architecture,
    name: str,
    layer: int,
    block: nn.Module,
    rivals: Sequence[Attention | Mlp],
) -> DenseSite:
    """The first of several declarations of one output that fits this block's shapes; raises the first one's error."""
    first: GradmaskError | None = None
    for spec in rivals:
        try:
            return make_site(model, architecture, name, layer, block, spec)
        except GradmaskError as error:
            first = first or error
    assert first is not None
    raise first


def make_site(
    model: PreTrainedModel, architecture: Architecture, name: str, layer: int, block: nn.Module, spec: Attention | Mlp
) -> DenseSite:
    """One declared attention or MLP of a block.

    Raises:
        GradmaskError: a module is not a linear layer, or has not the shape that the declaration and the config give it.
    """
    packings = spec.inputs if isinstance(spec, Attention) else dict.fromkeys(spec.inputs, "q")
    inputs = tuple(_projection(block, name, path, "out", p, architecture) for path, p in packings.items())
    output = _projection(block, name, spec.output, "in", "q", architecture)
    if isinstance(spec, Attention):
        return _attention_site(model, name, layer, block, spec, inputs, output)
    for projection in inputs:
        if projection.size != spec.fused * output.size:
            raise GradmaskError(
                f"{projection.name} has {projection.size} output rows, but {output.name} reads {output.size} units "
                f"with {spec.fused} row(s) each"
            )
    entries = tuple(_entries(block, name, dict.fromkeys(spec.entries, "each")))
    for each in entries:
        if each.size != output.size:
            raise GradmaskError(f"{each.name} has {each.size} entries, but {output.name} reads {output.size} units")
    return MlpSite(name, layer, output.size, spec.fused, (*inputs, output), spec.mixes_neurons, entries)


def _entries(block: nn.Module, name: str, packings: Mapping[str, str]) -> Iterator[Entries]:
    """What a block has of these parameters."""
    for path, packing in packings.items():
        owner, _, own_name = path.rpartition(".")
        module = get_module(block, owner) if owner else block
        parameter = module._parameters.get(own_name) if module is not None else None
        if module is not None and parameter is not None:
            yield Entries(f"{name}.{path}", module, packing, parameter)


def _attention_site(
    model: PreTrainedModel,
    name: str,
    layer: int,
    block: nn.Module,
    spec: Attention,
    inputs: tuple[Projection, ...],
    output: Projection,
) -> AttentionSite:
    heads = _count(model, block, spec, spec.heads)
    if not heads or output.size % heads:
        raise GradmaskError(
            f"{output.name} reads {output.size} columns, not a multiple of its heads: the config says "
            f"{spec.heads}={heads!r}"
        )
    head_dim = output.size // heads
    declared = _count(model, block, spec, spec.kv_heads) if spec.kv_heads else _kv_heads(inputs, heads, head_dim)
    kv_heads = heads if declared is None or declared == 0 else declared
    if kv_heads < 1 or heads % kv_heads:
        raise GradmaskError(f"{output.name} has {heads} heads, which {kv_heads} key-value heads cannot share evenly")
    entries = tuple(_entries(block, name, spec.entries))
    site = AttentionSite(name, layer, heads, kv_heads, head_dim, spec.mixes_heads, (*inputs, output), entries)
    for projection in (*inputs, *entries):
        if not site.fits(projection):
            needs = "" if sections(projection.packing, 0) else f" needs {site.rows(projection.packing)}"
            rows = "entries" if isinstance(projection, Entries) else "output rows"
            raise GradmaskError(
                f"{projection.name} has {projection.size} {rows}; its packing {projection.packing!r} with {heads} "
                f"heads, {site.kv_heads} key-value heads of {head_dim}{needs or ' has not this many'}"
            )
    return site


def _count(model: PreTrainedModel, block: nn.Module, spec: Attention, name: str) -> int | None:
    """How many heads there are: the config's number, or, where it has none for all layers, the attention module's."""
    try:
        count = getattr(model.config.get_text_config(), name, None)
    except (AttributeError, RuntimeError, ValueError):  # a number for each layer; several text configs
        count = None
    if type(count) is int:
        return count
    path = spec.output
    while path:
        path = path.rpartition(".")[0]
        count = getattr(get_module(block, path) if path else block, name, None)
        if type(count) is int:
            return count
    return None


def _kv_heads(inputs: Sequence[Projection], heads: int, head_dim: int) -> int:
    """Key-value heads, from the shape of a key projection or of a fused one; 0 where there is neither."""
    for projection in inputs:
        rows = projection.size // head_dim
        if projection.packing in ("k", "v"):
            return rows
        if projection.packing in ("q|k|v", "(q*kv)"):
            return (rows - heads) // 2
    return 0  # every query head has keys and values of its own


def _distinct(sites: Sequence[DenseSite]) -> list[DenseSite]:
    """Where a block has several sites of a kind (self- and cross-attention), name each by its module too."""
    counts = Counter(site.unit for site in sites)
    named = [site.projections[-1].name.rpartition(".")[0] for site in sites]
    return [replace(s, name=n) if counts[s.unit] > 1 else s for s, n in zip(sites, named, strict=True)]


def _projection(
    block: nn.Module, block_name: str, path: str, split: Literal["in", "out"], packing: str, architecture: Architecture
) -> Projection:
    module = get_module(block, path)
    name = f"{block_name}.{path}"
    if module is None or not is_linear(module):
        raise GradmaskError(
            f"{name} is {type(module).__name__}, and a group can only be cut out of a torch.nn.Linear or a Conv1D"
        )
    bias_apart = type(module).__name__ == architecture.bias_apart
    plain = type(module).forward in (nn.Linear.forward, Conv1D.forward)
    if not plain and not bias_apart and not is_quantized(module):
        raise GradmaskError(
            f"{name} is {type(module).__name__}, a linear layer with a forward pass of its own (such as an adapter's), "
            "which gradmask would replace by a plain product: partition the plain model"
        )
    out_size, in_size = shape_of(module)
    size = out_size if split == "out" else in_size
    return Projection(name, module, split, size, packing, bias_apart)


def undeclared(block: nn.Module, architecture: Architecture, known: Collection[str] = ()) -> tuple[float, list[str]]:
    """The share of a block's weights outside every layer that ``architecture`` declares, and their names, without ``known``."""
    paths = [path for spec in (*architecture.attention, *architecture.mlp) for path in spec.paths]
    paths += [path for spec in architecture.experts for path in (spec.module, spec.router)]
    entries = [path for spec in (*architecture.attention, *architecture.mlp) for path in spec.entries]
    declared = (*(f"{path}." for path in paths), *entries)
    sizes = {name: p.numel() for name, p in block.named_parameters() if p.dim() > 1}
    left_out = [name for name in sizes if not name.startswith(declared) and name not in known]
    return sum(sizes[name] for name in left_out) / max(1, sum(sizes.values())), left_out
