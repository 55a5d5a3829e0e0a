"""Cutting fused experts: whole ones, neurons inside all the others, or both."""

from __future__ import annotations

from collections.abc import Mapping

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures.expert_neurons import ExpertNeurons, check_apart
from gradmask.partitioning.architectures.sites import ExpertSite
from gradmask.partitioning.kernel.layout import AnyLayout, Layout
from gradmask.partitioning.kernel.nested import Nested
from gradmask.partitioning.kernel.route import JOINT, RETAIN, RoutingContext
from gradmask.partitioning.owned.experts import assign_rows
from gradmask.partitioning.owned.routers import SilentExperts, assign_router


def cut_experts(
    site: ExpertSite,
    chosen: Mapping[str, list[int]],
    inside: Mapping[str, list[int]],
    shared: set[str],
    context: RoutingContext,
    silent: SilentExperts | None,
) -> None:
    """Give groups their experts, and their neurons of the experts that are left, in place.

    Args:
        site: a mixture of experts.
        chosen: group -> the experts that it owns.
        inside: group -> the neurons that it owns of every other expert.
        shared: the names of joint parameters.
        context: the routing context of the model.
        silent: what the router does with experts that do not run.

    Raises:
        GradmaskError: no expert is left whose neurons could be shared out, or see `check_apart`.
    """
    experts = Layout.carve(site.total, chosen, RETAIN)
    neurons = site.inside if inside else None
    if neurons is not None:
        _check_left(site, experts)
        check_apart(neurons)
    for path, module in site.modules:
        owners = {n: JOINT if f"{path}.{n}" in shared else RETAIN for n in module._parameters}
        counted = [n for n, p in module._parameters.items() if p is not None and len(p) == site.total]
        layouts: dict[str, AnyLayout] = {n: experts for n in counted if owners[n] == RETAIN} if chosen else {}
        if neurons is not None and path == neurons.path:
            layouts |= {name: _nested(neurons, name, experts, inside) for name in neurons.places}
        if layouts and site.writes not in module._parameters and silent not in (None, "zeros"):
            assign_router(module, owners, context, layouts, silent)
        else:
            assign_rows(module, owners, context, layouts, site.writes)


def _nested(neurons: ExpertNeurons, name: str, experts: Layout, inside: Mapping[str, list[int]]) -> Nested:
    whole, places = neurons.tensor(name), neurons.places[name]
    positions = {group: places.of(own, neurons.total) for group, own in inside.items()}
    inner = Layout.carve(places.copies * neurons.total, positions, RETAIN)
    return Nested(experts, inner, places.dim, tuple(whole.shape), RETAIN)


def _check_left(site: ExpertSite, experts: Layout) -> None:
    if not experts.count(RETAIN):
        raise GradmaskError(
            f"{site.name}: groups own all {site.total} experts whole, so none is left inside which a group could own neurons: "
            "leave out expert_neurons, or take fewer experts"
        )
