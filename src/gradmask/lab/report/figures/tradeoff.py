"""The trade-off curve: forget loss against retain loss, a point per checkpoint (Shilov et al., arXiv 2512.05648)."""

from __future__ import annotations

from typing import Any

from gradmask.lab.measures.results import Results
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.lines import Axis, Line, Lines
from gradmask.lab.report.series import role_at, roles_of, series
from gradmask.lab.report.style import style_of

TITLE = "Trade-off while training"
CAPTION = (
    "Each dot is a moment of training; time runs to the right, and the large dot is the end. Up: the forget domain is less "
    "known. Right: what is kept is known better. The upper right corner is the aim. At the ends: forget / retain loss. "
    "Held-out loss as the models give it, on fewer sequences than above; the first fifth of training is left out."
)


def rows(results: Results) -> list[dict[str, Any]]:
    """Retain and forget loss of every model at every point of its curve."""
    roles = roles_of(results)
    found = []
    for name, arm, model in series(results):
        for point in arm.curve:
            retain, forget = (role_at(point, model, roles, role) for role in ("retain", "forget"))
            if retain is not None and forget is not None:
                at = {"series": name, "step": point.step, "tokens": point.tokens}
                found.append(at | {"retain_loss": retain, "forget_loss": forget})
    return found


def draw(results: Results) -> Drawing | None:
    """One line per model, the retain axis turned round so that up and right are better."""
    by: dict[str, list[tuple[float, float]]] = {}
    for row in rows(results):
        by.setdefault(row["series"], []).append((row["retain_loss"], row["forget_loss"]))
    lines = [
        Line(name, style_of(name), points[len(points) // 5 :], "{1:.2f} / {0:.2f}".format(*points[-1]))
        for name, points in by.items()
        if len(points) > 1
    ]
    across = Axis("retain loss, nats per token   (better →)", ".2~f", turned=True)
    return (
        Lines(lines, across, Axis("forget loss, nats per token   (removed →)", ".2~f"), height=340) if lines else None
    )
