"""Recovery curves: how fast an attacker brings the forget domain back by fine-tuning."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from gradmask.lab.measures.results import Results
from gradmask.lab.report.endings import name_ends
from gradmask.lab.report.relearning import relearned
from gradmask.lab.report.style import figure, style_of

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


def draw(results: Results) -> Figure | None:
    """One panel: the strongest attack on every model, by steps."""
    attacked = {
        name: relearning for name, relearning in relearned(results).items() if len(relearning.strongest.curve) > 1
    }
    if not attacked:
        return None
    with figure(8.6, 4.4) as drawn:
        axes = drawn.subplots()
        ends = []
        for name, relearning in attacked.items():
            color = style_of(name).light
            for rank, attack in enumerate(relearning.attacks):
                xs = [point.step for point in attack.curve]
                ys = [point.losses["forget"] for point in attack.curve]
                axes.plot(xs, ys, color=color, lw=2.2 if rank == 0 else 0.6, alpha=1 if rank == 0 else 0.35)
                if rank == 0:
                    ends.append((name, xs[-1], ys[-1]))
        if (target := next(iter(attacked.values())).target) is not None:
            color = style_of("no_filter").light
            axes.axhline(target, color=color, lw=1, ls="--")
            axes.annotate("no filter", (0, target), (2, 3), textcoords="offset points", fontsize=8.5, color=color)
        axes.margins(x=0.01, y=0.08)
        axes.set_xlabel("steps of fine-tuning")
        axes.set_ylabel("forget loss, nats per token")
        axes.set_ylim(axes.get_ylim())
        name_ends(axes, ends, 3.6)
    return drawn
