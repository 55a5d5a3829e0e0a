"""Losses per domain, short enough for a line."""

from __future__ import annotations

from collections.abc import Mapping

WIDTH = 100
"""Characters of a line."""
MANY = 6
"""More domains than this are shown as the means of their roles; the log and the results hold every one."""


def brief(losses: Mapping[str, float], roles: Mapping[str, str]) -> dict[str, float]:
    """Domain -> loss as it is, or role -> mean loss where there are more than `MANY` domains."""
    return dict(losses) if len(losses) <= MANY else by_role(losses, roles)


def by_role(losses: Mapping[str, float], roles: Mapping[str, str]) -> dict[str, float]:
    """Role -> mean loss."""
    of_role: dict[str, list[float]] = {}
    for domain, loss in losses.items():
        of_role.setdefault(roles[domain], []).append(loss)
    return {role: sum(values) / len(values) for role, values in sorted(of_role.items())}


def curve_lines(head: str, losses: Mapping[str, Mapping[str, float]], roles: Mapping[str, str]) -> list[str]:
    """A point of a training curve in lines of at most `WIDTH` characters: one for all models, or one for each.

    Args:
        head: which arm and step it is.
        losses: model (full, removed) -> domain -> loss. Domains whose names are too long give way to roles.
        roles: domain -> role.
    """
    for shown in (brief, by_role):
        parts = [f"{view}: {_line(shown(domains, roles))}" for view, domains in losses.items()]
        for lines in ([f"{head}   {'   |   '.join(parts)}"], [f"{head}   {part}" for part in parts]):
            if max(map(len, lines)) <= WIDTH:
                return lines
    return [line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in lines]


def _line(losses: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
