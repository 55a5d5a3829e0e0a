"""The trade-off curve: forget loss against retain loss, a point per checkpoint (Shilov et al., arXiv 2512.05648)."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from gradmask.lab.measures.results import Results
from gradmask.lab.report.endings import name_ends
from gradmask.lab.report.series import role_at, roles_of, series
from gradmask.lab.report.style import PAPER, SOFT, figure, style_of

TITLE = "Trade-off while training"
CAPTION = (
    "Each dot is a moment of training; time runs to the right, and the large dot is the end. Up: the forget domain is "
    "less known. Right: what is kept is known better. The upper right corner is the aim. Held-out loss as the models "
    "give it, on fewer sequences than above; the first fifth of training is left out."
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


def draw(results: Results) -> Figure | None:
    """One line per model, the retain axis turned round so that up and right are better."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows(results):
        lines.setdefault(row["series"], []).append((row["retain_loss"], row["forget_loss"]))
    lines = {name: points[len(points) // 5 :] for name, points in lines.items() if len(points) > 1}
    if not lines:
        return None
    with figure(8.6, 4.8) as drawn:
        axes = drawn.subplots()
        for name, points in lines.items():
            style, strong = style_of(name), name.endswith("removed")
            xs, ys = zip(*points, strict=True)
            axes.plot(xs, ys, style.marker + "-", color=style.light, ms=3, lw=2.2 if strong else 1.3)
            axes.plot(xs[-1], ys[-1], style.marker, color=style.light, ms=8, mec=PAPER, mew=1.2, zorder=3)
        axes.invert_xaxis()
        axes.margins(x=0.04, y=0.08)
        axes.set_xlabel("retain loss, nats per token   (better →)")
        axes.set_ylabel("forget loss, nats per token   (better removed →)")
        axes.set_ylim(axes.get_ylim())
        axes.text(0.985, 0.975, "aim ↗", transform=axes.transAxes, ha="right", va="top", fontsize=9, color=SOFT)
        name_ends(axes, [(name, *points[-1]) for name, points in lines.items()], 4.0)
    return drawn
