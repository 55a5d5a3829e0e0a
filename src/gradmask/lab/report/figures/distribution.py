"""How the loss is spread over tokens: a few impossible tokens, or all of them hard?"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradmask.lab.measures.results import DomainResult, Results
from gradmask.lab.report.series import roles_of, series
from gradmask.lab.report.style import INK, PAPER, figure, name_of, style_of

TITLE = "Loss of single tokens"
CAPTION = (
    "One hill per model: how many held-out tokens have which loss (as the model gives it). The upright line is the mean. "
    "Knowledge that is gone moves the whole forget hill to the right, as the perfect filter's; a hill that stays and "
    "only grows a tail has merely made some tokens impossible. The last step holds all that lies beyond; a first step "
    "(tokens predicted almost surely) that is much higher than the rest is cut."
)
ROLES = ("forget", "retain")
OVERLAP, CUT = 1.4, 1.6
"""Rows that the highest hill is high, and rows at which a first bin is cut."""


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


def draw(results: Results) -> Figure | None:
    """A panel per role, a row per model."""
    lines = series(results)
    edges = np.array(results.histogram_edges)
    hills = {
        role: {name: hill for name, arm, model in lines if (hill := _hill(arm.models[model], role)) is not None}
        for role in ROLES
    }
    shown = [role for role in ROLES if hills[role]]
    if not shown or len(edges) < 2:
        return None
    names = [name for name, _, _ in lines]
    with figure(8.6, 1.1 + 0.62 * len(names)) as drawn:
        panels = drawn.subplots(1, len(shown), sharey=True, sharex=True, squeeze=False)[0]
        for panel, role in zip(panels, shown, strict=True):
            _panel(panel, hills[role], names, edges)
            panel.set_title(f"{role} tokens")
            panel.set_xlabel("loss of a token, nats")
        panels[0].set_xlim(0, _right(hills, edges))
        panels[0].set_yticks(range(len(names)), [name_of(name) for name in names])
        panels[0].set_ylim(len(names) - 0.75, -CUT)
    return drawn


def _hill(domains: dict[str, DomainResult], role: str) -> tuple[np.ndarray, float] | None:
    """(Shares per bin, mean loss) of a role: the mean of its domains."""
    found = [result for result in domains.values() if result.role == role and result.histogram]
    if not found:
        return None
    return np.mean([r.histogram for r in found], axis=0), float(np.mean([r.loss for r in found]))


def _panel(panel: Axes, hills: dict[str, tuple[np.ndarray, float]], names: list[str], edges: np.ndarray) -> None:
    scale = OVERLAP / max(float(shares[1:].max()) for shares, _ in hills.values())
    for row, name in enumerate(names):
        if name not in hills:
            continue
        (shares, mean), style = hills[name], style_of(name)
        top = row - np.minimum(scale * shares, CUT)
        panel.stairs(top, edges, baseline=row, fill=True, color=style.light, alpha=0.35, zorder=2 + row)
        panel.stairs(top, edges, baseline=None, color=style.light, lw=1.2, zorder=2.2 + row)
        at = min(int(np.searchsorted(edges, mean, side="right")) - 1, len(shares) - 1)
        panel.plot([mean, mean], [row, min(top[at], row - 0.25)], color=INK, lw=1.4, zorder=2.4 + row)
        panel.annotate(
            f"{mean:.2f}",
            (mean, row),
            (3, 2),
            textcoords="offset points",
            fontsize=8,
            zorder=50,
            bbox={"boxstyle": "round,pad=0.1", "fc": PAPER, "ec": "none", "alpha": 0.7},
        )
    panel.grid(axis="y", visible=False)


def _right(hills: dict[str, dict[str, tuple[np.ndarray, float]]], edges: np.ndarray) -> float:
    """Where all but half a percent of every model's tokens lie to the left."""
    ends = [np.searchsorted(np.cumsum(s), 0.995 * s.sum()) for role in hills.values() for s, _ in role.values()]
    return float(edges[min(max(ends) + 1, len(edges) - 1)])
