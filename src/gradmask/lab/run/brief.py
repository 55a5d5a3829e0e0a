"""Losses per domain, short enough for a line."""

from __future__ import annotations

from collections.abc import Mapping

MANY = 6
"""More domains than this are shown as the means of their roles; the log and the results hold every one."""


def brief(losses: Mapping[str, float], roles: Mapping[str, str]) -> dict[str, float]:
    """Domain -> loss as it is, or role -> mean loss where there are more than `MANY` domains."""
    if len(losses) <= MANY:
        return dict(losses)
    by_role: dict[str, list[float]] = {}
    for domain, loss in losses.items():
        by_role.setdefault(roles[domain], []).append(loss)
    return {role: sum(values) / len(values) for role, values in sorted(by_role.items())}
