"""What a training curve shows before the run is over: a run that leads nowhere says so half way."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gradmask.lab.judge.limits import NATS
from gradmask.lab.judge.reasons import LESS
from gradmask.lab.measures.headline import SMALLEST_GAP

HALF = 0.5
"""Share of training before which nothing is said: groups begin late, and learning rates are high."""


Losses = Mapping[str, Mapping[str, float]]
"""Model (``full``, ``removed``) -> domain -> nats."""


def early_signs(
    losses: Losses, roles: Mapping[str, str], share: float, since: float = HALF, consolidates: bool = False
) -> list[str]:
    """Warnings at a point of the curve of a partitioned arm, a sentence each.

    Args:
        losses: of ``full`` and ``removed``; without both nothing is said.
        roles: domain -> role.
        share: of the training that is done.
        since: before this share nothing is said.
        consolidates: a consolidation follows; what a group disturbs before it is what that phase is for.
    """
    if share < since or {"full", "removed"} - losses.keys():
        return []
    signs = [_idle(losses, roles), None if consolidates else _disturbing(losses, roles)]
    return [sign for sign in signs if sign is not None]


def _distance(losses: Losses, roles: Mapping[str, str], role: str) -> float | None:
    """How much worse the removed model is than the full one, in nats; None where it cannot be told."""
    domains = [domain for domain in losses["full"] if roles.get(domain) == role]
    distances = [losses["removed"][domain] - losses["full"][domain] for domain in domains]
    mean = sum(distances) / len(distances) if distances else math.nan
    return mean if math.isfinite(mean) else None


def _idle(losses: Losses, roles: Mapping[str, str]) -> str | None:
    gone = _distance(losses, roles, "forget")
    if gone is None or gone >= SMALLEST_GAP:
        return None
    return (
        f"the group holds nothing yet: without it, the loss on what must go is only {max(gone, 0.0):.3f} nats higher. Check that "
        "forget text is labeled (gradmask train --dry-run), or stop and label more"
    )


def _disturbing(losses: Losses, roles: Mapping[str, str]) -> str | None:
    kept = _distance(losses, roles, "retain")
    if kept is None or -kept <= NATS.lost:
        return None
    return (
        f"the group disturbs what is kept: with it, the loss on retain text is {-kept:.3f} nats higher. Let the group learn to "
        f"its end first (train.consolidation); if it disturbs then, too, {LESS[0].lower()}{LESS[1:]}"
    )
