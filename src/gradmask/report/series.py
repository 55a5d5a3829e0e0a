"""Which lines a figure shows: every arm, and for an arm with a removable group each of its models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gradmask.evaluate.results import ArmResult, DomainResult, Point, Results

ROLES = ("forget", "adjacent", "retain")


def series(results: Results) -> Iterator[tuple[str, ArmResult, str]]:
    """(name of the series, arm, name of the model in it); the removed model first."""
    for name, arm in results.arms.items():
        models = sorted(arm.models, reverse=True)
        for model in models:
            yield (f"{name}/{model}" if len(models) > 1 else name), arm, model


def roles_of(results: Results) -> dict[str, str]:
    """Domain -> role, in the order forget, adjacent, retain."""
    found: dict[str, str] = {}
    for arm in results.arms.values():
        for domains in arm.models.values():
            found.update({domain: result.role for domain, result in domains.items()})
    return dict(sorted(found.items(), key=lambda item: (ROLES.index(item[1]), item[0])))


def shown_loss(result: DomainResult) -> float:
    """The calibrated loss where there is one."""
    return result.loss if result.calibrated_loss is None else result.calibrated_loss


def role_at(point: Point, model: str, roles: Mapping[str, str], role: str) -> float | None:
    """The mean loss of a role's domains at a point of a training curve."""
    losses = [loss for domain, loss in point.losses.get(model, {}).items() if roles.get(domain) == role]
    return sum(losses) / len(losses) if losses else None
