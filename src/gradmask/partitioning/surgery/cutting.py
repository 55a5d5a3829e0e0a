"""Cutting a model into groups, in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from gradmask.partitioning.architectures import Architecture
from gradmask.partitioning.architectures.finding import find_blocks, find_sites
from gradmask.partitioning.architectures.sites import ExpertSite, Projection, Site
from gradmask.partitioning.groups.adapters import GroupSpec, adapters_of, choose_layers
from gradmask.partitioning.kernel.call import Geometry
from gradmask.partitioning.kernel.layout import Along, AnyLayout, Layout
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.route import JOINT, RETAIN, RoutingContext
from gradmask.partitioning.owned.adapters import Adapted, add_adapter
from gradmask.partitioning.owned.experts import assign_rows
from gradmask.partitioning.owned.routers import SilentExperts, assign_router
from gradmask.partitioning.surgery.assigning import adapted_kind, add_tables, assign_uncut, table_kinds
from gradmask.partitioning.surgery.attachments import carry_over, check_attachments
from gradmask.partitioning.surgery.choosing import (
    Units,
    check_layers,
    check_not_joint,
    check_slices_found,
    choose_units,
    unsliced,
)
from gradmask.partitioning.surgery.growing import grow
from gradmask.partitioning.surgery.kinds import kinds_of, match, present
from gradmask.partitioning.surgery.owners import find_owners
from gradmask.partitioning.surgery.quantized import check_not_quantized
from gradmask.partitioning.surgery.restoring import restore
from gradmask.partitioning.surgery.silent_experts import settle_silent


@dataclass
class Cut:
    """What was done to a model: enough to describe it, to repeat it elsewhere, and to undo it."""

    architecture: Architecture
    slices: dict[str, GroupSpec]
    joint: tuple[str, ...]
    units: Units
    context: RoutingContext
    hooks: list[RemovableHandle] = field(default_factory=list)
    frozen: tuple[str, ...] = ()
    """Names of plain parameters that require gradients again once the cut is undone."""
    silent_experts: SilentExperts | None = None
    """What routers do with experts that do not run (`gradmask.partitioning.owned.routers`); None where no group owns experts."""
    undo_growth: list[Callable[[], None]] = field(default_factory=list, repr=False)
    """Makes a widened model narrow again, once the cut is undone; only until `gradmask.partition` has compared outputs."""


def cut(
    model: PreTrainedModel,
    architecture: Architecture,
    slices: Mapping[str, GroupSpec],
    joint: Sequence[str],
    units: Units | None = None,
    freeze: bool = False,
    defaults: Sequence[str] = (),
    silent_experts: SilentExperts | None = None,
) -> Cut:
    """Partition ``model`` in place. Everything is checked before anything is changed.

    Args:
        model: plain.
        architecture: where it keeps its heads and neurons.
        slices: removable group -> what it owns.
        joint: kinds or patterns of parameters that are joint.
        units: the exact units of every site, as a checkpoint records them; by default the slices say.
        freeze: the retain group never learns.
        defaults: kinds that are joint, too, as far as the model has parameters of them.
        silent_experts: see `settle_silent`.

    Raises:
        GradmaskError: see `allocate`, `settle_silent`, `find_sites`, `choose_layers`, `check_not_joint` and
            `gradmask.partitioning.surgery.kinds.match`.
    """
    sites = find_sites(model, architecture)
    check_layers(slices, sites)
    check_slices_found(slices, sites)
    names = [name for name, _ in find_blocks(model, architecture)]
    kinds = kinds_of(model, sites, names, unsliced(names, slices, sites))
    joint = (*joint, *(kind for kind in present(defaults, kinds) if kind not in joint))
    shared = match(joint, kinds)
    shared |= _tied_names(model, shared)
    check_not_quantized(model, shared)
    adapted = choose_layers(slices, sites)
    trained = tuple(name for name, p in model.named_parameters() if p.requires_grad) if freeze else ()
    if units is None:  # else a checkpoint says which units there are
        check_not_joint(slices, sites, shared)
    check_attachments(model, _to_cut(sites, slices, units, shared), [p for layers in adapted.values() for p in layers])
    record = Cut(architecture, dict(slices), joint, units or {}, RoutingContext((RETAIN, JOINT, *slices)))
    record.silent_experts = silent_experts
    try:
        _carry_out(model, sites, record, shared, adapted, units is None)
        if freeze:
            record.frozen = trained
            _freeze(model)
    except BaseException:
        undo_cut(model, record)
        raise
    return record


def undo_cut(model: PreTrainedModel, record: Cut) -> None:
    """The plain model as it was before `cut`, also after half of one; widened layers are narrow again."""
    restore(model, record)
    for undo in record.undo_growth:
        undo()
    record.undo_growth = []


@torch.no_grad()
def _carry_out(
    model: PreTrainedModel,
    sites: Sequence[Site],
    record: Cut,
    shared: set[str],
    adapted: Mapping[str, Sequence[Projection]],
    choose: bool,
) -> None:
    slices, architecture, context = record.slices, record.architecture, record.context
    if choose:
        added = grow(model, architecture, slices, record.undo_growth)
        sites = find_sites(model, architecture) if added else sites
        record.units = {f"{site.name}/{site.unit}": choose_units(site, slices, added, shared) for site in sites}
    record.silent_experts = settle_silent(model, sites, record.units, shared, record.silent_experts)
    for site in sites:
        _cut_site(model, site, record.units[f"{site.name}/{site.unit}"], shared, context, record.silent_experts)
    chosen_entries = _layouts(sites, record.units, shared)
    kinds_of_tables = table_kinds(model) if any(spec.embeddings for spec in slices.values()) else {}
    special = {**kinds_of_tables, **{p.name: adapted_kind(p) for layers in adapted.values() for p in layers}}
    assign_uncut(model, architecture, shared, context, special, chosen_entries)
    record.hooks += add_tables(model, slices)
    for group, adapter in adapters_of(slices).items():
        for projection in adapted[group]:
            add_adapter(cast(Adapted, projection.module), group, adapter, projection)


def _layouts(sites: Sequence[Site], units: Units, shared: set[str]) -> dict[int, dict[str, AnyLayout]]:
    """Module (by id) -> those of its parameters of which groups own entries -> who owns which."""
    layouts: dict[int, dict[str, AnyLayout]] = {}
    for site in sites:
        chosen = units[f"{site.name}/{site.unit}"]
        if isinstance(site, ExpertSite) or not chosen:
            continue
        for each in site.entries:
            if each.name not in shared:
                positions = {group: site.positions(each, indices) for group, indices in chosen.items()}
                layout = Layout.carve(each.size, positions, RETAIN)
                if layout.groups != (RETAIN,):  # not of keys and values that no group took
                    own_name = each.name.rpartition(".")[2]
                    layouts.setdefault(id(each.module), {})[own_name] = Along(layout, each.dim)
    return layouts


def _to_cut(
    sites: Sequence[Site], slices: Mapping[str, GroupSpec], units: Units | None, shared: set[str]
) -> list[Site]:
    """The sites out of which some group takes units; raises what there is to raise before the model is widened."""
    if units is not None:
        return [site for site in sites if units.get(f"{site.name}/{site.unit}")]
    carved = {group: spec for group, spec in slices.items() if not spec.new}
    new = [spec for spec in slices.values() if spec.new]
    chosen = {id(site): choose_units(site, carved, {}, shared) for site in sites}
    return [s for s in sites if chosen[id(s)] or any(spec.covers(s.layer) and getattr(spec, s.unit) for spec in new)]


def _freeze(model: PreTrainedModel) -> None:
    parameters = dict(model.named_parameters())
    for name, group in find_owners(model).items():
        if group == RETAIN:
            parameters[name].requires_grad_(False)


def _tied_names(model: PreTrainedModel, chosen: set[str]) -> set[str]:
    """All names of the chosen parameters: a pattern may match one of two names that are tied."""
    names = list(model.named_parameters(remove_duplicate=False))
    ids = {id(p) for name, p in names if name in chosen}
    return {name for name, p in names if id(p) in ids}


def _cut_site(
    model: PreTrainedModel,
    site: Site,
    chosen: Mapping[str, list[int]],
    shared: set[str],
    context: RoutingContext,
    silent: SilentExperts | None,
) -> None:
    if isinstance(site, ExpertSite):
        _cut_experts(site, chosen, shared, context, silent)
        return
    if not chosen:
        return
    for projection in site.projections:
        positions = {group: site.positions(projection, indices) for group, indices in chosen.items()}
        geometry = _geometry(projection, positions, shared)
        if len(geometry.units.groups) == 1 and geometry.units.groups == (RETAIN,):
            continue  # keys and values that no group took: owned whole, by `assign_uncut`
        # what a norm over all heads reads must be silent already, or silent heads would change the others
        mixes = site.mixes and projection.split == "out"
        plain = projection.linear
        split = SplitLinear(plain.weight, plain.bias, geometry, context, mixes)
        carry_over(plain, split)
        _keep_plain(split, plain)
        parent, _, name = projection.name.rpartition(".")
        setattr(model.get_submodule(parent), name, split)


def _cut_experts(
    site: ExpertSite,
    chosen: Mapping[str, list[int]],
    shared: set[str],
    context: RoutingContext,
    silent: SilentExperts | None,
) -> None:
    layout = Layout.carve(site.total, chosen, RETAIN)
    for path, module in site.modules:
        owners = {n: JOINT if f"{path}.{n}" in shared else RETAIN for n in module._parameters}
        counted = [n for n, p in module._parameters.items() if p is not None and len(p) == site.total]
        layouts = {n: layout for n in counted if owners[n] == RETAIN} if chosen else {}
        if layouts and site.writes not in module._parameters and silent not in (None, "zeros"):
            assign_router(module, owners, context, layouts, silent)
        else:
            assign_rows(module, owners, context, layouts, site.writes)


def _geometry(projection: Projection, positions: dict[str, list[int]], shared: set[str]) -> Geometry:
    units = Layout.carve(projection.size, positions, RETAIN)
    parts = Layout.whole(projection.size, JOINT) if f"{projection.name}.weight" in shared else units
    bias: Layout | None = None
    if (plain_bias := projection.linear.bias) is not None:
        size = plain_bias.shape[0]
        if f"{projection.name}.bias" in shared:
            bias = Layout.whole(size, JOINT)
        else:
            bias = units if projection.split == "out" else Layout.whole(size, RETAIN)
    return Geometry(projection.split, projection.transposed, parts, units, bias, projection.bias_apart)


def _keep_plain(split: SplitLinear, plain: nn.Module) -> None:
    """Keep the plain module, without its weights, for `restore`. In ``__dict__``: as a submodule it would be in state dicts."""
    for name, parameter in plain._parameters.items():
        if parameter is not None:
            plain._parameters[name] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
    split.__dict__["plain"] = plain
