"""Held-out loss while training."""

from __future__ import annotations

from typing import Any

from gradmask.lab.measures.results import Results
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.lines import Axis, Level, Line, Lines
from gradmask.lab.report.series import ROLES, role_at, roles_of, series
from gradmask.lab.report.style import style_of

TITLE = "Held-out loss while training"
CAPTION = (
    "Loss as the models give it, by training tokens. A full model that learns the forget domain late has not been taught "
    "it well; a removed model whose forget loss falls is learning what it should not. Dashed: consolidation begins."
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


def draw(results: Results) -> Drawing | None:
    """A panel per role, a line per model."""
    by: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in rows(results):
        by.setdefault((row["role"], row["series"]), []).append((row["tokens"], row["loss"]))
    lines = [
        Line(name, style_of(name), points, f"{points[-1][1]:.2f}", f"{role} loss, nats per token")
        for role in ROLES
        for (of, name), points in by.items()
        if of == role and len(points) > 1
    ]
    if not lines:
        return None
    begins = [Level(x=tokens) for tokens in phases(results)]
    return Lines(lines, Axis("training tokens", "~s"), Axis("loss", ".2~f"), begins, height=190)


def phases(results: Results) -> list[float]:
    """Where consolidation begins, in training tokens; equal ones once."""
    arms = [arm for arm in results.arms.values() if arm.consolidation]
    return sorted({arm.tokens * (1 - arm.consolidation / arm.steps) for arm in arms})
