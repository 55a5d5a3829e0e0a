"""The numbers of the first line: how far removal went, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping

from gradmask.evaluate.results import ArmResult, DomainResult, Headline


def role_loss(domains: Mapping[str, DomainResult], role: str, calibrated: bool) -> float | None:
    """The mean loss over the domains of a role, in nats."""
    found = [d.calibrated_loss if calibrated else d.loss for d in domains.values() if d.role == role]
    known = [x for x in found if x is not None]
    return sum(known) / len(known) if known and len(known) == len(found) else None


def headline(arms: Mapping[str, ArmResult]) -> Headline:
    """Compare the arms: *gap closed* is (removed − no filter) / (perfect filter − no filter) of the forget loss."""
    every = [d for arm in arms.values() for model in arm.models.values() for d in model.values()]
    calibrated = bool(every) and all(d.calibrated_loss is not None for d in every)

    def loss(arm: str, model: str, role: str) -> float | None:
        found = arms[arm].models.get(model) if arm in arms else None
        return role_loss(found, role, calibrated) if found else None

    nothing, perfect = loss("no_filter", "full", "forget"), loss("perfect_filter", "full", "forget")
    remarks: list[str] = []
    if nothing is not None and perfect is not None and perfect - nothing < 0.02:
        remarks.append(
            f"The perfect filter's forget loss ({perfect:.3f}) is not above that of no filter ({nothing:.3f}) by enough to "
            "speak of a gap: train longer, or take domains that differ more."
        )
        perfect = None
    return Headline(
        gap_closed=_share(loss("gradmask", "removed", "forget"), nothing, perfect),
        filter_gap_closed=_share(loss("filter", "full", "forget"), nothing, perfect),
        retain_difference=_minus(loss("gradmask", "removed", "retain"), loss("no_filter", "full", "retain")),
        filter_retain_difference=_minus(loss("filter", "full", "retain"), loss("no_filter", "full", "retain")),
        full_forget_difference=_minus(loss("gradmask", "full", "forget"), nothing),
        calibrated=calibrated,
        remarks=remarks,
    )


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _share(value: float | None, start: float | None, end: float | None) -> float | None:
    return None if value is None or start is None or end is None else (value - start) / (end - start)
