"""Which lines the figures show: every arm, and for an arm with a removable group each of its models."""

from __future__ import annotations

from gradmask.lab.measures.findings import ModelFindings
from gradmask.lab.measures.headline import role_at as role_at
from gradmask.lab.measures.results import ArmResult, DomainResult, Results
from gradmask.lab.report.style import STYLES

ROLES = ("forget", "adjacent", "retain")


def series(results: Results) -> list[tuple[str, ArmResult, str]]:
    """(name of the series, arm, name of the model in it), those of every run first and in one order."""
    models = [
        (f"{name}/{model}" if len(arm.models) > 1 else name, arm, model)
        for name, arm in results.arms.items()
        for model in arm.models
    ]
    return sorted(models, key=lambda item: ordered(item[0])[0])


def ordered(name: str) -> tuple[int, str]:
    """What series are sorted by: those of every run first."""
    return (list(STYLES).index(name) if name in STYLES else len(STYLES), name)


def findings_of(results: Results) -> dict[str, ModelFindings]:
    """Series -> what was found of the model, in the order of `series`."""
    return {name: arm.findings[model] for name, arm, model in series(results) if model in arm.findings}


def roles_of(results: Results) -> dict[str, str]:
    """Domain -> role, in the order forget, adjacent, retain."""
    roles: dict[str, str] = {}
    for arm in results.arms.values():
        for domains in arm.models.values():
            roles.update({domain: result.role for domain, result in domains.items()})
    return dict(sorted(roles.items(), key=lambda item: (ROLES.index(item[1]), item[0])))


def shown_loss(result: DomainResult) -> float:
    """The calibrated loss where there is one."""
    return result.loss if result.calibrated_loss is None else result.calibrated_loss


def shown_error(result: DomainResult) -> float:
    """The standard error of `shown_loss`; 0 where it is not known."""
    error = result.error if result.calibrated_loss is None else result.calibrated_error
    return error or 0.0
