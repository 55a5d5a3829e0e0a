"""Which units of each site a group gets, and errors for what it cannot get."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures.expert_neurons import ExpertNeurons
from gradmask.partitioning.architectures.sites import AttentionSite, ExpertSite, Site
from gradmask.partitioning.groups.adapters import GroupSpec
from gradmask.partitioning.groups.slices import UNITS, Amount, allocate, asks

logger = logging.getLogger(__name__)

INSTEAD = {"neurons": ": the hidden neurons of a mixture are inside its experts (expert_neurons=...)"}

Units = dict[str, dict[str, list[int]]]
"""Site name and unit (``model.layers.0/heads``) -> group -> indices of its units."""


def choose_units(
    site: Site | ExpertNeurons, slices: Mapping[str, GroupSpec], added: Units, shared: Collection[str] = ()
) -> dict[str, list[int]]:
    """The units of one site that each group gets; groups that get none are left out.

    Args:
        site: an attention, an MLP, a mixture of experts, or the neurons inside its experts.
        slices: what each group asks for.
        added: for groups with ``new=True``, the units that were added for them.
        shared: the names of joint parameters; no group gets units that only these compute.
    """
    fresh = added.get(f"{site.name}/{site.unit}", {})
    amounts = {group: fresh.get(group, []) if spec.new else _amount(site, spec) for group, spec in slices.items()}
    step = 1
    if isinstance(site, AttentionSite) and site.repeats > 1:
        whole = [g for g in slices if not slices[g].query_only]
        step = site.repeats if whole else 1
        _check_whole_groups(site, slices, amounts)
    chosen = allocate(site.name, site.unit, site.total, amounts, step)
    return {g: indices for g, indices in chosen.items() if indices and not is_joint(site, shared, slices[g].query_only)}


def is_joint(site: Site | ExpertNeurons, shared: Collection[str], query_only: bool = False) -> bool:
    """Whether all that computes the units of a site is joint: then no group owns them, and nothing silences or removes them.

    Where only a part is joint (a projection back to the residual stream, a bias) the units are the group's, and so is the
    decision whether the joint part's entries for them are read; but not inside experts, which are multiplied as one tensor.
    """
    if isinstance(site, ExpertNeurons):
        return any(f"{site.path}.{name}" in shared for name in site.places)
    if isinstance(site, ExpertSite):
        counted = [f"{path}.{n}" for path, m in site.modules for n, p in m._parameters.items() if p is not None]
        return all(name in shared for name in counted)
    inputs = [p for p in site.projections if p.split == "out" and not (query_only and p.packing in ("k", "v"))]
    return all(f"{projection.name}.weight" in shared for projection in inputs)


def check_not_joint(
    slices: Mapping[str, GroupSpec], sites: Sequence[Site | ExpertNeurons], shared: Collection[str]
) -> None:
    """Say which units a group asks for and does not get because they are joint.

    Raises:
        GradmaskError: nothing is left of what a group asks for, or they would have to be added for it first.
    """
    for group, spec in slices.items():
        asked = [site for site in sites if spec.covers(site.layer) and asks(getattr(spec, site.unit))]
        joint = [site for site in asked if is_joint(site, shared, spec.query_only)]
        if not joint:
            continue
        units = " and ".join(dict.fromkeys(site.unit for site in joint))
        where = joint[0].name if len(joint) == 1 else f"{joint[0].name} and {len(joint) - 1} more"
        says = f"group {group!r} asks for {units} in {where}, which are joint: every label teaches them, no removal takes them"
        if spec.new or (len(joint) == len(asked) and not asks(spec.embeddings)):
            raise GradmaskError(f"{says}. Ask for other units, or make less joint (joint=[...], or another policy)")
        logger.warning("%s; the group gets none of these", says)


def unsliced(names: Sequence[str], slices: Mapping[str, GroupSpec], sites: Sequence[Site | ExpertNeurons]) -> list[str]:
    """The blocks, of these names, in which no group has a slice, while some group has one in another block."""
    asked = ((site, spec) for site in sites for spec in slices.values())
    sliced = {site.layer for site, spec in asked if spec.covers(site.layer) and asks(getattr(spec, site.unit))}
    return [name for layer, name in enumerate(names) if layer not in sliced] if sliced else []


def _amount(site: Site | ExpertNeurons, spec: GroupSpec) -> Amount:
    """How many units of this site a group asks for (`Slice.heads`, `Slice.neurons`, …)."""
    return getattr(spec, site.unit) if spec.covers(site.layer) else 0


def _check_whole_groups(site: AttentionSite, slices: Mapping[str, GroupSpec], amounts: Mapping[str, Amount]) -> None:
    for group, amount in amounts.items():
        if slices[group].query_only or not amount:
            continue
        if site.kv_heads == 1:
            raise GradmaskError(
                f"{site.name} has one key-value head for all its query heads, so group {group!r} cannot have a whole "
                "key-value group: take query heads alone with Slice(query_only=True)"
            )
        if not isinstance(amount, Sequence):
            continue
        heads = {i % site.heads for i in amount}
        torn = [h for h in heads if not all(h // site.repeats * site.repeats + i in heads for i in range(site.repeats))]
        if torn:
            raise GradmaskError(
                f"{site.name}: heads {sorted(torn)} of group {group!r} share their keys and values with heads outside "
                f"it (groups of {site.repeats}): name whole groups, or take query heads alone with Slice(query_only=True)"
            )


def check_layers(slices: Mapping[str, GroupSpec], sites: Sequence[Site | ExpertNeurons]) -> None:
    count = max(site.layer for site in sites) + 1
    for group, spec in slices.items():
        wrong = [layer for layer in spec.layers or () if not 0 <= layer < count]
        if wrong:
            raise GradmaskError(f"group {group!r} names layers {wrong}, but the model has layers 0 to {count - 1}")


def check_slices_found(slices: Mapping[str, GroupSpec], sites: Sequence[Site | ExpertNeurons]) -> None:
    """Raise a `GradmaskError` where a group asks for units that none of its layers has."""
    for group, spec in slices.items():
        there = dict.fromkeys(site.unit for site in sites if spec.covers(site.layer))
        for unit in UNITS:
            if getattr(spec, unit) and unit not in there:
                raise GradmaskError(
                    f"group {group!r} asks for {unit} of a model which has none that a group could own in these layers. "
                    f"It has {', '.join(there) or 'nothing'}{INSTEAD.get(unit, '') if 'expert_neurons' in there else ''}"
                )
