"""Recovery curves: how fast an attacker brings the forget domain back by fine-tuning."""

from __future__ import annotations

from typing import Any

from gradmask.lab.measures.results import Results
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.lines import Axis, Level, Line, Lines
from gradmask.lab.report.relearning import relearned
from gradmask.lab.report.style import style_of

TITLE = "Relearning under attack"
CAPTION = (
    "Held-out forget loss while an attacker fine-tunes a model that lacks the domain; for each model the strongest of all "
    "attacks that were tried, the others thin. The dashed line is the loss of a model trained without any filter. A line "
    "below that of the perfect filter says that something of the domain was left. Losses as the models give them."
)


def rows(results: Results) -> list[dict[str, Any]]:
    """Every point of every attack; ``rank`` 1 is the strongest on its model."""
    return [
        {
            "series": name,
            "rank": rank,
            "method": attack.method,
            "data": attack.data,
            "learning_rate": attack.learning_rate,
            "step": point.step,
            "tokens": point.tokens,
            **{f"{role}_loss": loss for role, loss in sorted(point.losses.items())},
            "loss_of_unused_forget_text": point.elsewhere,
        }
        for name, relearning in relearned(results).items()
        for rank, attack in enumerate(relearning.attacks, 1)
        for point in attack.curve
    ]


def draw(results: Results) -> Drawing | None:
    """The strongest attack on every model, by steps; the others pale."""
    attacked = {name: r for name, r in relearned(results).items() if len(r.strongest.curve) > 1}
    if not attacked:
        return None
    lines = [
        Line(name, style_of(name), points, f"{points[-1][1]:.2f}", pale=rank > 0)
        for name, relearning in attacked.items()
        for rank, attack in enumerate(relearning.attacks)
        if len(points := [(point.step, point.losses["forget"]) for point in attack.curve]) > 1
    ]
    target = next(iter(attacked.values())).target
    level = [] if target is None else [Level(y=target, text="no filter")]
    return Lines(lines, Axis("steps of fine-tuning"), Axis("forget loss, nats per token", ".2~f"), level)
