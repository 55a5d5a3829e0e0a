"""Held-out loss while training."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from gradmask.lab.measures.results import Results
from gradmask.lab.report.endings import name_ends
from gradmask.lab.report.series import ROLES, role_at, roles_of, series
from gradmask.lab.report.style import figure, style_of

TITLE = "Held-out loss while training"
CAPTION = (
    "Loss as the models give it, by training tokens. A full model that learns the forget domain late has not been taught "
    "it well; a removed model whose forget loss falls is learning what it should not. Dotted: consolidation begins."
)


def rows(results: Results) -> list[dict[str, Any]]:
    """The loss of every model on every role at every point of its curve."""
    roles = roles_of(results)
    return [
        {"series": name, "role": role, "step": point.step, "tokens": point.tokens, "loss": loss}
        for name, arm, model in series(results)
        for role in ROLES
        for point in arm.curve
        if (loss := role_at(point, model, roles, role)) is not None
    ]


def draw(results: Results) -> Figure | None:
    """A panel per role, a line per model."""
    lines: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in rows(results):
        lines.setdefault(row["role"], {}).setdefault(row["series"], []).append((row["tokens"], row["loss"]))
    lines = {role: {n: points for n, points in of.items() if len(points) > 1} for role, of in lines.items()}
    shown = [role for role in ROLES if lines.get(role)]
    if not shown:
        return None
    with figure(8.6, 2.9 * len(shown)) as drawn:
        panels = drawn.subplots(len(shown), 1, squeeze=False, sharex=True)[:, 0]
        for panel, role in zip(panels, shown, strict=True):
            _panel(panel, role, lines[role])
            for tokens in phases(results):
                panel.axvline(tokens, color=panel.xaxis.label.get_color(), lw=0.8, ls=":")
        panels[-1].set_xlabel("training tokens")
    return drawn


def phases(results: Results) -> list[float]:
    """Where consolidation begins, in training tokens; equal ones once."""
    arms = [arm for arm in results.arms.values() if arm.consolidation]
    return sorted({arm.tokens * (1 - arm.consolidation / arm.steps) for arm in arms})


def _panel(panel: Axes, role: str, lines: dict[str, list[tuple[float, float]]]) -> None:
    for name, points in lines.items():
        xs, ys = zip(*points, strict=True)
        panel.plot(xs, ys, color=style_of(name).light, lw=2.2 if name.endswith("removed") else 1.3)
    panel.set_title(f"{role} loss, nats per token")
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.xaxis.set_major_locator(MaxNLocator(6))
    panel.margins(x=0.01, y=0.08)
    panel.set_ylim(panel.get_ylim())
    name_ends(panel, [(name, *points[-1]) for name, points in lines.items()], 2.2)
