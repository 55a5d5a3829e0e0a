"""What a training curve shows before the run is over: a run that leads nowhere says so half way."""

from __future__ import annotations

from collections.abc import Mapping

from gradmask.lab.judge.limits import NATS
from gradmask.lab.judge.reasons import FINISH, LESS
from gradmask.lab.measures.headline import SMALLEST_GAP, role_at
from gradmask.lab.measures.results import Point

HALF = 0.5
"""Share of training before which nothing is said: groups begin late, and learning rates are high."""


def early_signs(point: Point, roles: Mapping[str, str], share: float) -> list[str]:
    """Warnings at a point of the curve of a partitioned arm, a sentence each.

    Args:
        point: with the losses of ``full`` and ``removed``; without them nothing is said.
        roles: domain -> role.
        share: of the training that is done.
    """
    if share < HALF or {"full", "removed"} - point.losses.keys():
        return []
    return [sign for sign in (_idle(point, roles), _disturbing(point, roles)) if sign is not None]


def _distance(point: Point, roles: Mapping[str, str], role: str) -> float | None:
    """How much worse the removed model is than the full one, in nats."""
    full, removed = (role_at(point, model, roles, role) for model in ("full", "removed"))
    return None if full is None or removed is None else removed - full


def _idle(point: Point, roles: Mapping[str, str]) -> str | None:
    gone = _distance(point, roles, "forget")
    if gone is None or gone >= SMALLEST_GAP:
        return None
    return (
        f"the group holds nothing yet: without it, the loss on what must go is only {gone:.3f} nats higher. Check that "
        "forget text is labeled (gradmask train --dry-run), or stop and label more"
    )


def _disturbing(point: Point, roles: Mapping[str, str]) -> str | None:
    kept = _distance(point, roles, "retain")
    if kept is None or -kept <= NATS.lost:
        return None
    return f"the group disturbs what is kept: with it, the loss on retain text is {-kept:.3f} nats higher. {FINISH}. {LESS}"
