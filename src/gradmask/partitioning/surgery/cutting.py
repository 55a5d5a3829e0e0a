"""Cutting a model into groups in place, and putting it back together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures import Architecture
from gradmask.partitioning.architectures.finding import find_blocks, find_sites, get_module
from gradmask.partitioning.architectures.sites import AttentionSite, ExpertSite, Projection, Site
from gradmask.partitioning.groups.adapters import Adapter, GroupSpec, adapters_of, choose_layers
from gradmask.partitioning.kernel.layout import Layout
from gradmask.partitioning.kernel.linear import SplitLinear, plain_linear
from gradmask.partitioning.kernel.matmul import Geometry
from gradmask.partitioning.kernel.route import JOINT, RETAIN, RoutingContext
from gradmask.partitioning.owned.adapters import AdaptedLinear, add_adapter
from gradmask.partitioning.owned.experts import RowWise, assign_rows, release_rows
from gradmask.partitioning.owned.modules import Owned, assign_owner, release
from gradmask.partitioning.owned.position_bias import route_bias, unroute_bias
from gradmask.partitioning.owned.table_kinds import add_table, drop_tables, group_of
from gradmask.partitioning.owned.tables import (
    TabledEmbedding,
    TabledLinear,
    merged_table,
    read_sums,
    tabled_modules,
    write_sums,
)
from gradmask.partitioning.surgery.choosing import (
    Units as Units,
    check_layers,
    check_slices_found,
    choose_units,
)
from gradmask.partitioning.surgery.growing import grow
from gradmask.partitioning.surgery.kinds import kinds_of, match


@dataclass
class Cut:
    """What was done to a model: enough to describe it, to repeat it elsewhere, and to undo it."""

    architecture: Architecture
    slices: dict[str, GroupSpec]
    joint: tuple[str, ...]
    units: Units
    context: RoutingContext
    hooks: list[torch.utils.hooks.RemovableHandle] = field(default_factory=list)
    frozen: tuple[str, ...] = ()
    """Plain parameters that learn again when the cut is undone."""


def cut(
    model: PreTrainedModel,
    architecture: Architecture,
    slices: Mapping[str, GroupSpec],
    joint: Sequence[str],
    units: Units | None = None,
    freeze: bool = False,
) -> Cut:
    """Partition ``model`` in place. Everything is checked before anything is changed. ``freeze``: retain learns nothing.

    Raises:
        GradmaskError: see `allocate`, `find_sites`, `choose_layers` and `gradmask.partitioning.surgery.kinds.match`.
    """
    sites = find_sites(model, architecture)
    check_layers(slices, sites)
    kinds = kinds_of(model, sites)
    shared = match(joint, kinds)
    shared |= _tied_twins(model, shared)
    adapted = choose_layers(slices, sites)
    trained = tuple(name for name, p in model.named_parameters() if p.requires_grad) if freeze else ()
    if units is None:
        carved = {group: piece for group, piece in slices.items() if not piece.new}
        for site in sites:
            choose_units(site, carved, {})  # what cannot be had is said before the model grows
        added = grow(model, architecture, slices)
        sites = find_sites(model, architecture) if added else sites
        units = {f"{site.name}/{site.unit}": choose_units(site, slices, added) for site in sites}
    check_slices_found(slices, units)
    context = RoutingContext((RETAIN, JOINT, *slices))
    record = Cut(architecture, dict(slices), tuple(joint), units, context)
    with torch.no_grad():
        for site in sites:
            _cut_site(model, site, units[f"{site.name}/{site.unit}"], shared, context)
        kinds_of_tables = _table_kinds(model) if any(piece.embeddings for piece in slices.values()) else {}
        special = {**kinds_of_tables, **{p.name: AdaptedLinear for layers in adapted.values() for p in layers}}
        _own_the_rest(model, architecture, shared, context, special)
        _add_tables(model, slices, record)
        for group, adapter in adapters_of(slices).items():
            for projection in adapted[group]:
                add_adapter(projection.module, group, adapter, projection)
    if freeze:
        record.frozen = trained
        _freeze(model)
    return record


def _freeze(model: PreTrainedModel) -> None:
    parameters = dict(model.named_parameters())
    for name, group in find_owners(model).items():
        if group == RETAIN:
            parameters[name].requires_grad_(False)


def _tied_twins(model: PreTrainedModel, chosen: set[str]) -> set[str]:
    names = list(model.named_parameters(remove_duplicate=False))
    ids = {id(p) for name, p in names if name in chosen}
    return {name for name, p in names if id(p) in ids}


def _cut_site(
    model: PreTrainedModel, site: Site, chosen: Mapping[str, list[int]], shared: set[str], context: RoutingContext
) -> None:
    if isinstance(site, ExpertSite):
        _cut_experts(site, chosen, shared, context)
        return
    if not chosen:
        return
    for projection in site.projections:
        positions = {group: site.positions(projection, indices) for group, indices in chosen.items()}  # type: ignore[arg-type]
        geometry = _geometry(projection, positions, shared)
        if len(geometry.units.groups) == 1 and geometry.units.groups == (RETAIN,):
            continue  # keys and values that no group took: owned whole, by `_own_the_rest`
        mixes = isinstance(site, AttentionSite) and site.mixes_heads and projection.split == "out"
        plain = projection.module
        split = SplitLinear(plain.weight, getattr(plain, "bias", None), geometry, context, mixes)  # type: ignore[arg-type]
        _keep_plain(split, plain)
        parent, _, name = projection.name.rpartition(".")
        setattr(model.get_submodule(parent), name, split)


def _cut_experts(site: ExpertSite, chosen: Mapping[str, list[int]], shared: set[str], context: RoutingContext) -> None:
    layout = Layout.carve(site.total, chosen, RETAIN)
    for path, module in site.modules:
        owners = {n: JOINT if f"{path}.{n}" in shared else RETAIN for n in module._parameters}
        counted = [n for n, p in module._parameters.items() if p is not None and len(p) == site.total]
        layouts = {n: layout for n in counted if owners[n] == RETAIN} if chosen else {}
        assign_rows(module, owners, context, layouts, site.writes)


def _geometry(projection: Projection, positions: dict[str, list[int]], shared: set[str]) -> Geometry:
    units = Layout.carve(projection.size, positions, RETAIN)
    parts = Layout.whole(projection.size, JOINT) if f"{projection.name}.weight" in shared else units
    bias: Layout | None = None
    if getattr(projection.module, "bias", None) is not None:
        bias_size = projection.module.bias.shape[0]  # type: ignore[union-attr]
        if f"{projection.name}.bias" in shared:
            bias = Layout.whole(bias_size, JOINT)  # type: ignore[bad-argument-type]
        else:
            bias = units if projection.split == "out" else Layout.whole(bias_size, RETAIN)  # type: ignore[bad-argument-type]
    return Geometry(projection.split, projection.transposed, parts, units, bias, projection.bias_apart)  # type: ignore[arg-type]


def _keep_plain(split: SplitLinear, plain: nn.Module) -> None:
    """Keep the plain module, without its weights, for the way back."""
    for name, parameter in plain._parameters.items():
        if parameter is not None:
            plain._parameters[name] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
    split.__dict__["plain"] = plain


def _own_the_rest(
    model: PreTrainedModel,
    architecture: Architecture,
    shared: set[str],
    context: RoutingContext,
    special: Mapping[str, type[Owned]],
) -> None:
    blocks = list(find_blocks(model, architecture))
    heads_first = tuple(f"{name}.{path}." for name, _ in blocks for path in architecture.heads_first)
    biases = list(_position_biases(blocks, architecture))
    routed = {child for module, _ in biases for child in module.children()}
    positional = {f"{name}.{path}" for name, b in blocks for path, m in b.named_modules() if _is_table(m, routed)}
    for path, module in list(model.named_modules()):
        if isinstance(module, (SplitLinear, RowWise)) or not any(p is not None for p in module._parameters.values()):
            continue
        owners = {
            name: JOINT if (f"{path}.{name}" if path else name) in shared else RETAIN
            for name, p in module._parameters.items()
            if p is not None
        }
        kind = special.get(path) or (Owned if path in positional else None)
        assign_owner(module, owners, context, kind, f"{path}.".startswith(heads_first))
    for module, method in biases:
        route_bias(module, method)


def _table_kinds(model: PreTrainedModel) -> dict[str, type[TabledEmbedding] | type[TabledLinear]]:
    """The head, and every embedding that reads the table of the input embeddings (T5 has three)."""
    tokens, head = model.get_input_embeddings(), model.get_output_embeddings()
    found: dict[str, type[TabledEmbedding] | type[TabledLinear]] = {}
    for path, module in model.named_modules():
        if isinstance(module, nn.Embedding) and module.weight is tokens.weight:
            found[path] = TabledEmbedding
        if module is head:
            found[path] = TabledLinear
    return found


def _is_table(module: nn.Module, routed: set[nn.Module]) -> bool:
    """Whether this is a table inside a block that nobody declared: it may be read once for the whole batch."""
    return isinstance(module, nn.Embedding) and module not in routed


def _position_biases(
    blocks: Sequence[tuple[str, nn.Module]], architecture: Architecture
) -> Iterator[tuple[nn.Module, str]]:
    for _, block in blocks:
        for declared in architecture.position_bias:
            path, _, method = declared.rpartition(".")
            module = get_module(block, path)
            if module is not None:
                yield module, method


def _add_tables(model: PreTrainedModel, slices: Mapping[str, GroupSpec], record: Cut) -> None:
    for group, piece in slices.items():
        first: dict[int, nn.Module] = {}
        for _, module in tabled_modules(model) if piece.embeddings else ():
            if isinstance(module, AdaptedLinear):
                continue
            shared = id(module._parameters["weight"])
            add_table(module, group, piece.embeddings, first.get(shared))
            first.setdefault(shared, module)
    if any(piece.embeddings or isinstance(piece, Adapter) for piece in slices.values()):
        record.hooks.append(model.register_state_dict_post_hook(write_sums))
        record.hooks.append(model.register_load_state_dict_pre_hook(read_sums))


def owners(model: nn.Module) -> dict[str, str]:
    """Parameter name (in the partitioned model) -> the group that owns it. Tied parameters appear once.

    Raises:
        GradmaskError: a parameter was added or replaced after the partition, and no group owns it.
    """
    found = find_owners(model)
    homeless = [name for name, _ in model.named_parameters() if name not in found]
    if homeless:
        raise GradmaskError(
            f"no group owns {', '.join(homeless[:5])} ({len(homeless)} parameters): they were added or replaced after "
            "gm.partition. Change the model first, then partition it"
        )
    return found


def find_owners(model: nn.Module) -> dict[str, str]:
    """As `owners`, but leaving out parameters that no group owns."""
    found: dict[str, str] = {}
    names = {id(p): name for name, p in model.named_parameters()}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is None or id(parameter) not in names:
                continue
            if isinstance(module, SplitLinear):
                found[names[id(parameter)]] = name.partition("_")[2]
            elif (group := group_of(name)) is not None:
                found[names[id(parameter)]] = group
            elif isinstance(module, Owned) and name in module.gradmask_owners:
                found.setdefault(names[id(parameter)], module.gradmask_owners[name])
    return {name: found[name] for name in names.values() if name in found}


@torch.no_grad()
def restore(model: PreTrainedModel, record: Cut) -> None:
    """Undo `cut`: plain modules again, with the merged weights, bit for bit."""
    _merge_tables(model)
    for path, module in list(model.named_modules()):
        if isinstance(module, SplitLinear):
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, plain_linear(module.__dict__["plain"], module))
        elif isinstance(module, RowWise):
            release_rows(module)  # type: ignore[bad-argument-type]
        elif isinstance(module, Owned):
            release(module)  # type: ignore[bad-argument-type]
        else:
            unroute_bias(module)
    for hook in record.hooks:
        hook.remove()
    for name in record.frozen:
        model.get_parameter(name).requires_grad_(True)


def _merge_tables(model: PreTrainedModel) -> None:
    done: set[int] = set()
    for _, module in list(tabled_modules(model)):
        shared = module._parameters["weight"]
        assert shared is not None
        if id(shared) not in done:
            shared.copy_(merged_table(module))
            done.add(id(shared))
        drop_tables(module)
