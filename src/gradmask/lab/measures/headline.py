"""The numbers of the first line: how far removal went, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gradmask.lab.measures.results import ArmResult, DomainResult, Headline, Point

SMALLEST_GAP = 0.02
"""Nats below which the distance between no filter and a perfect filter is no gap, however small its error."""
TOO_FAR = 1.1
"""A share of the gap beyond which the removed model is worse than one that never saw the domain: a sign of damage."""


def role_loss(domains: Mapping[str, DomainResult], role: str, calibrated: bool) -> float | None:
    """The mean loss over the domains of a role, in nats; None where there is none."""
    losses = [d.calibrated_loss if calibrated else d.loss for d in domains.values() if d.role == role]
    known = [x for x in losses if x is not None]
    return sum(known) / len(known) if known and len(known) == len(losses) else None


def role_at(point: Point, model: str, roles: Mapping[str, str], role: str) -> float | None:
    """The mean loss of a role's domains at a point of a training curve."""
    losses = [loss for domain, loss in point.losses.get(model, {}).items() if roles.get(domain) == role]
    return sum(losses) / len(losses) if losses else None


def role_error(domains: Mapping[str, DomainResult], role: str) -> float:
    """The standard error of `role_loss`, as far as it is known."""
    errors = [d.error or 0.0 for d in domains.values() if d.role == role]
    return math.hypot(*errors) / max(1, len(errors))


def headline(arms: Mapping[str, ArmResult]) -> Headline:
    """Compare the arms, all on calibrated losses where every model has them, else all on plain ones.

    *Gap closed* is (removed − no filter) / (perfect filter − no filter) of the forget loss: 0 is a model trained on
    everything, 1 one that never saw the domain. Without a perfect filter, it is given against the filter with the same labels
    instead, as *gap closed to the filter*. Differences are against no filter, in nats; lower is better.
    """
    every = [d for arm in arms.values() for model in arm.models.values() for d in model.values()]
    calibrated = bool(every) and all(d.calibrated_loss is not None for d in every)

    def loss(arm: str, model: str, role: str) -> float | None:
        domains = arms[arm].models.get(model) if arm in arms else None
        return role_loss(domains, role, calibrated) if domains else None

    def against_no_filter(arm: str, model: str, role: str) -> float | None:
        here, there = loss(arm, model, role), loss("no_filter", "full", role)
        return None if here is None or there is None else here - there

    end = "perfect_filter" if "perfect_filter" in arms else "filter"
    remark = _no_gap(arms, end, loss("no_filter", "full", "forget"), loss(end, "full", "forget"))
    gap = None if remark else against_no_filter(end, "full", "forget")
    way = _share(against_no_filter("gradmask", "removed", "forget"), gap)
    perfect = end == "perfect_filter"
    closed = way if perfect else None
    return Headline(
        gap_closed=closed,
        filter_gap_closed=_share(against_no_filter("filter", "full", "forget"), gap) if perfect else None,
        gap_closed_to_filter=None if perfect else way,
        retain_difference=against_no_filter("gradmask", "removed", "retain"),
        filter_retain_difference=against_no_filter("filter", "full", "retain"),
        adjacent_difference=against_no_filter("gradmask", "removed", "adjacent"),
        filter_adjacent_difference=against_no_filter("filter", "full", "adjacent"),
        full_forget_difference=against_no_filter("gradmask", "full", "forget"),
        calibrated=calibrated,
        remarks=[line for line in (remark, _too_far(closed, gap, removal_error(arms, end))) if line],
    )


def _no_gap(arms: Mapping[str, ArmResult], end: str, nothing: float | None, filtered: float | None) -> str | None:
    """Why no share of the gap can be given, where the baselines are too alike to measure against."""
    if nothing is None or filtered is None:
        return None
    errors = [role_error(arms[name].models["full"], "forget") for name in ("no_filter", end)]
    needed = max(SMALLEST_GAP, 2 * math.hypot(*errors))
    if filtered - nothing >= needed:
        return None
    return (
        f"There is no gap to close: the {end.replace('_', ' ')}'s forget loss ({filtered:.3f} nats) must lie at least "
        f"{needed:.3f} above that of no filter ({nothing:.3f}). Train longer, measure on more held-out text "
        "(evaluate.sequences), or take domains that differ more."
    )


def is_too_far(closed: float | None, gap: float | None, error: float) -> bool:
    """Whether a model is further than one that never saw the domain, by more than the error of the two losses, in nats."""
    return closed is not None and gap is not None and closed > TOO_FAR and (closed - 1.0) * gap > error


def removal_error(arms: Mapping[str, ArmResult], end: str) -> float:
    """The standard error of the distance between the removed model's forget loss and that of the arm at the scale's end.

    Both are measured on the same text, so the true one is smaller.
    """
    models = [
        arms[name].models.get(view, {}) for name, view in (("gradmask", "removed"), (end, "full")) if name in arms
    ]
    return math.hypot(*(role_error(domains, "forget") for domains in models))


def _too_far(closed: float | None, gap: float | None, error: float) -> str | None:
    if closed is None or not is_too_far(closed, gap, error):
        return None
    return (
        f"The removed model is further from the forget domain ({100 * closed:.0f} % of the gap) than a model that "
        "never saw it. That is a sign of damage, not of better removal: look at its samples."
    )


def _share(value: float | None, gap: float | None) -> float | None:
    return None if value is None or gap is None else value / gap
