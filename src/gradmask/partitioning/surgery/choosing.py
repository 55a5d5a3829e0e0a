"""Which units of each site a group gets, and what of its slice cannot be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures.sites import AttentionSite, Site, site_amounts
from gradmask.partitioning.groups.adapters import GroupSpec
from gradmask.partitioning.groups.slices import allocate

Units = dict[str, dict[str, list[int]]]
"""Site name and unit (``model.layers.0/heads``) -> group -> indices of its units."""


def choose_units(site: Site, slices: Mapping[str, GroupSpec], added: Units) -> dict[str, list[int]]:
    """The units of one site that each group gets; groups that get none are left out. ``added``: those made for them."""
    fresh = added.get(f"{site.name}/{site.unit}", {})
    amounts = {g: fresh.get(g, []) if slices[g].new else a for g, a in site_amounts(site, slices).items()}
    step = 1
    if isinstance(site, AttentionSite) and site.repeats > 1:
        whole = [g for g in slices if not slices[g].query_only]
        step = site.repeats if whole else 1
        _check_whole_groups(site, slices, amounts)
    chosen = allocate(site.name, site.unit, site.total, amounts, step)  # type: ignore[arg-type]
    return {group: indices for group, indices in chosen.items() if indices}


def _check_whole_groups(site: AttentionSite, slices: Mapping[str, GroupSpec], amounts: Mapping[str, object]) -> None:
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
    for group, piece in slices.items():
        wrong = [layer for layer in piece.layers or () if not 0 <= layer < count]
        if wrong:
            raise GradmaskError(f"group {group!r} names layers {wrong}, but the model has layers 0 to {count - 1}")


def check_slices_found(slices: Mapping[str, GroupSpec], units: Units) -> None:
    for group, piece in slices.items():
        for unit in ("heads", "neurons", "experts"):
            if getattr(piece, unit) and not any(group in c for name, c in units.items() if name.endswith("/" + unit)):
                raise GradmaskError(f"group {group!r} asks for {unit}, and this architecture declares none to give")
