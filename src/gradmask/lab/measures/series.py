"""The models of a run by the names of their series, and their losses by role."""

from __future__ import annotations

from collections.abc import Mapping

from gradmask.lab.measures.headline import role_loss
from gradmask.lab.measures.results import ArmResult, DomainResult

ROLES = ("forget", "adjacent", "retain")

Arms = Mapping[str, ArmResult]


def series_name(arm: str, view: str, arms: Arms) -> str:
    """``arm``, or ``arm/view`` where it gives several models."""
    return f"{arm}/{view}" if len(arms[arm].models) > 1 else arm


def series_of(arms: Arms) -> dict[str, dict[str, DomainResult]]:
    """Series -> domain -> result."""
    return {
        series_name(name, view, arms): domains for name, arm in arms.items() for view, domains in arm.models.items()
    }


def calibrated(arms: Arms) -> bool:
    """Whether every model has calibrated losses; comparisons take them only then."""
    return all(d.calibrated_loss is not None for arm in arms.values() for m in arm.models.values() for d in m.values())


def by_role(domains: Mapping[str, DomainResult], calibrated: bool) -> dict[str, float]:
    """Role -> mean loss."""
    return {role: loss for role in ROLES if (loss := role_loss(domains, role, calibrated)) is not None}
