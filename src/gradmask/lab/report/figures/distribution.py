"""How the loss is spread over tokens: a few impossible tokens, or all of them hard?"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradmask.lab.measures.results import DomainResult, Results
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.hills import Hill, Hills
from gradmask.lab.report.series import roles_of, series
from gradmask.lab.report.style import style_of

TITLE = "Loss of single tokens"
CAPTION = (
    "One hill per model: how many held-out tokens have which loss (as the model gives it). The upright line is the mean, "
    "written at the right. Knowledge that is gone moves the whole forget hill to the right, as the perfect filter's; a hill "
    "that stays and only grows a tail has merely made some tokens impossible. The last step holds all that lies beyond; a "
    "first step (tokens predicted almost surely) that is much higher than the rest is cut."
)
ROLES = ("forget", "retain")


def rows(results: Results) -> list[dict[str, Any]]:
    """The share of tokens per bin, for every model and domain."""
    edges = results.histogram_edges
    return [
        {"series": name, "domain": domain, "role": role, "loss_from": low, "loss_to": high, "share": share}
        for name, arm, model in series(results)
        for domain, role in roles_of(results).items()
        if domain in arm.models[model]
        for low, high, share in zip(edges, edges[1:], arm.models[model][domain].histogram, strict=False)
    ]


def draw(results: Results) -> Drawing | None:
    """A panel per role, a row per model."""
    hills = [
        Hill(name, style_of(name), f"{role} tokens", *hill)
        for role in ROLES
        for name, arm, model in series(results)
        if (hill := _hill(arm.models[model], role)) is not None
    ]
    edges = results.histogram_edges
    return Hills(hills, edges, _right(hills, edges), "loss of a token, nats") if hills and len(edges) > 1 else None


def _hill(domains: dict[str, DomainResult], role: str) -> tuple[list[float], float] | None:
    """(Shares per bin, mean loss) of a role: the mean of its domains."""
    found = [result for result in domains.values() if result.role == role and result.histogram]
    if not found:
        return None
    return np.mean([r.histogram for r in found], axis=0).tolist(), float(np.mean([r.loss for r in found]))


def _right(hills: list[Hill], edges: list[float]) -> float:
    """Where all but half a percent of every model's tokens lie to the left."""
    ends = [np.searchsorted(np.cumsum(h.shares), 0.995 * sum(h.shares)) for h in hills]
    return float(edges[min(max(ends) + 1, len(edges) - 1)])
