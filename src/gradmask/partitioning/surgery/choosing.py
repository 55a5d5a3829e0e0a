"""Which units of each site a group gets, and errors for what it cannot get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures.sites import AttentionSite, Site
from gradmask.partitioning.groups.adapters import GroupSpec
from gradmask.partitioning.groups.slices import Amount, allocate

Units = dict[str, dict[str, list[int]]]
"""Site name and unit (``model.layers.0/heads``) -> group -> indices of its units."""


def choose_units(site: Site, slices: Mapping[str, GroupSpec], added: Units) -> dict[str, list[int]]:
    """The units of one site that each group gets; groups that get none are left out.

    ``added``: for groups with ``new=True``, the units that were added for them.
    """
    fresh = added.get(f"{site.name}/{site.unit}", {})
    amounts = {group: fresh.get(group, []) if spec.new else _amount(site, spec) for group, spec in slices.items()}
    step = 1
    if isinstance(site, AttentionSite) and site.repeats > 1:
        whole = [g for g in slices if not slices[g].query_only]
        step = site.repeats if whole else 1
        _check_whole_groups(site, slices, amounts)
    chosen = allocate(site.name, site.unit, site.total, amounts, step)
    return {group: indices for group, indices in chosen.items() if indices}


def _amount(site: Site, spec: GroupSpec) -> Amount:
    """How many units of this site a group asks for (`Slice.heads`, `Slice.neurons` or `Slice.experts`)."""
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


def check_layers(slices: Mapping[str, GroupSpec], sites: Sequence[Site]) -> None:
    count = max(site.layer for site in sites) + 1
    for group, spec in slices.items():
        wrong = [layer for layer in spec.layers or () if not 0 <= layer < count]
        if wrong:
            raise GradmaskError(f"group {group!r} names layers {wrong}, but the model has layers 0 to {count - 1}")


def check_slices_found(slices: Mapping[str, GroupSpec], units: Units) -> None:
    for group, spec in slices.items():
        for unit in ("heads", "neurons", "experts"):
            if getattr(spec, unit) and not any(group in c for name, c in units.items() if name.endswith("/" + unit)):
                raise GradmaskError(
                    f"group {group!r} asks for {unit}, but the declaration of this architecture names none"
                )
