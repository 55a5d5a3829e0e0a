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
from gradmask.partitioning.architectures.expert_neurons import ExpertNeurons
from gradmask.partitioning.architectures.finding import find_blocks, find_sites
from gradmask.partitioning.architectures.sites import DenseSite, ExpertSite, Projection, Site, with_inside
from gradmask.partitioning.groups.adapters import GroupSpec, adapters_of, choose_layers
from gradmask.partitioning.kernel.call import Geometry
from gradmask.partitioning.kernel.layout import Along, AnyLayout, Layout
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.route import JOINT, RETAIN, RoutingContext
from gradmask.partitioning.owned.adapters import Adapted, add_adapter
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.routers import SilentExperts
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
from gradmask.partitioning.surgery.experts import cut_experts
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
    kinds = _checked_kinds(model, architecture, slices, sites)
    joint = (*joint, *(kind for kind in present(defaults, kinds) if kind not in joint))
    shared = match(joint, kinds)
    shared |= _tied_names(model, shared)
    adapted = _checked_layers(model, sites, slices, shared, units)
    trained = tuple(name for name, p in model.named_parameters() if p.requires_grad) if freeze else ()
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


def _checked_kinds(
    model: PreTrainedModel, architecture: Architecture, slices: Mapping[str, GroupSpec], sites: Sequence[Site]
) -> dict[str, set[str]]:
    """The kinds of all parameters; raises where a group asks for layers or units that are not there."""
    places = with_inside(sites)
    check_layers(slices, places)
    check_slices_found(slices, places)
    names = [name for name, _ in find_blocks(model, architecture)]
    return kinds_of(model, sites, names, unsliced(names, slices, places))


def _checked_layers(
    model: PreTrainedModel,
    sites: Sequence[Site],
    slices: Mapping[str, GroupSpec],
    shared: set[str],
    units: Units | None,
) -> dict[str, list[Projection]]:
    """The layers to which each group adds adapters; raises where what is asked for cannot be had, or would be lost."""
    check_not_quantized(model, shared)
    adapted = choose_layers(slices, sites)
    if units is None:  # else a checkpoint says which units there are
        check_not_joint(slices, with_inside(sites), shared)
    check_attachments(model, _to_cut(sites, slices, units, shared), [p for layers in adapted.values() for p in layers])
    return adapted


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
        record.units = _chosen_units(sites, slices, added, shared)
    record.silent_experts = settle_silent(model, sites, record.units, shared, record.silent_experts)
    for site in sites:
        _cut_site(model, site, record, shared)
    layouts, special = _layouts(sites, record.units, shared), _special_kinds(model, slices, adapted)
    assign_uncut(model, architecture, shared, context, special, layouts)
    record.hooks += add_tables(model, slices)
    for group, adapter in adapters_of(slices).items():
        for projection in adapted[group]:
            add_adapter(cast(Adapted, projection.module), group, adapter, projection)


def _chosen_units(sites: Sequence[Site], slices: Mapping[str, GroupSpec], added: Units, shared: set[str]) -> Units:
    units = {_key(site): choose_units(site, slices, added, shared) for site in with_inside(sites)}
    return {key: chosen for key, chosen in units.items() if chosen or not key.endswith(f"/{ExpertNeurons.unit}")}


def _key(site: Site | ExpertNeurons) -> str:
    return f"{site.name}/{site.unit}"


def _special_kinds(
    model: PreTrainedModel, slices: Mapping[str, GroupSpec], adapted: Mapping[str, Sequence[Projection]]
) -> dict[str, type[Owned]]:
    """Module -> what it becomes, where it gets tables or adapters."""
    tables = table_kinds(model) if any(spec.embeddings for spec in slices.values()) else {}
    return {**tables, **{p.name: adapted_kind(p) for layers in adapted.values() for p in layers}}


def _layouts(sites: Sequence[Site], units: Units, shared: set[str]) -> dict[int, dict[str, AnyLayout]]:
    """Module (by id) -> those of its parameters of which groups own entries -> who owns which."""
    layouts: dict[int, dict[str, AnyLayout]] = {}
    for site in sites:
        chosen = units[_key(site)]
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
    return [site for site in sites if any(_is_cut(place, slices, units, shared) for place in with_inside([site]))]


def _is_cut(
    place: Site | ExpertNeurons, slices: Mapping[str, GroupSpec], units: Units | None, shared: set[str]
) -> bool:
    if units is not None:
        return bool(units.get(_key(place)))
    carved = {group: spec for group, spec in slices.items() if not spec.new}
    grown = any(spec.covers(place.layer) and getattr(spec, place.unit) for spec in slices.values() if spec.new)
    return bool(choose_units(place, carved, {}, shared)) or grown


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


def _cut_site(model: PreTrainedModel, site: Site, record: Cut, shared: set[str]) -> None:
    chosen = record.units[_key(site)]
    if isinstance(site, ExpertSite):
        inside = record.units.get(_key(site.inside), {}) if site.inside is not None else {}
        cut_experts(site, chosen, inside, shared, record.context, record.silent_experts)
        return
    for projection in site.projections if chosen else ():
        _cut_projection(model, site, projection, chosen, shared, record.context)


def _cut_projection(
    model: PreTrainedModel,
    site: DenseSite,
    projection: Projection,
    chosen: Mapping[str, list[int]],
    shared: set[str],
    context: RoutingContext,
) -> None:
    positions = {group: site.positions(projection, indices) for group, indices in chosen.items()}
    geometry = _geometry(projection, positions, shared)
    if geometry.units.groups == (RETAIN,):
        return  # keys and values that no group took: owned whole, by `assign_uncut`
    # what a norm over all heads reads must be silent already, or silent heads would change the others
    mixes = site.mixes and projection.split == "out"
    plain = projection.linear
    split = SplitLinear(plain.weight, plain.bias, geometry, context, mixes)
    carry_over(plain, split)
    _keep_plain(split, plain)
    parent, _, name = projection.name.rpartition(".")
    setattr(model.get_submodule(parent), name, split)


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
