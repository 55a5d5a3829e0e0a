"""The ladder of plain models, and where each model stands on it."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from gradmask.lab.measures.results import Results
from gradmask.lab.report.series import ordered
from gradmask.lab.report.style import LINE, PAPER, SOFT, figure, name_of, style_of

TITLE = "Leakage"
CAPTION = (
    "Grey: plain models trained on all that is kept and so many forget tokens. Each model is read back on that line by its "
    "forget loss; the number is its leakage, the equivalent tokens over the forget tokens that the labels missed. The line "
    "between rungs makes leakage look larger than it is."
)


def rows(results: Results) -> list[dict[str, Any]]:
    """The rungs (series ``ladder``), and every model's equivalent tokens, leakage and interval."""
    leakage = results.findings.leakage
    if leakage is None:
        return []
    empty = {"leakage": None, "low": None, "high": None}
    rungs = [{"series": "ladder", "tokens": rung.tokens, "forget_loss": rung.loss, **empty} for rung in leakage.ladder]
    models = [
        {
            "series": name,
            "tokens": leak.equivalent_tokens,
            "forget_loss": None,
            "leakage": leak.value,
            "low": leak.low,
            "high": leak.high,
        }
        for name, leak in sorted(leakage.leaks.items(), key=lambda item: ordered(item[0]))
    ]
    return [*rungs, *models]


def draw(results: Results) -> Figure | None:
    """A row per model on one axis of leakage; above it, the ladder."""
    leakage = results.findings.leakage
    if leakage is None or not leakage.leaks:
        return None
    names = sorted(leakage.leaks, key=ordered)
    with figure(8.6, 3.4 + 0.36 * len(names)) as drawn:
        above, below = drawn.subplots(2, 1, height_ratios=[2.4, 0.36 * len(names) + 0.6])
        tokens, losses = [r.tokens for r in leakage.ladder], [r.loss for r in leakage.ladder]
        above.plot(tokens, losses, "o-", color=SOFT, mec=PAPER, ms=7, lw=1.4)
        above.axvline(leakage.undiscovered_tokens, color=LINE, lw=1.4, zorder=0)
        above.xaxis.set_major_formatter(EngFormatter(sep=""))
        above.set_xlabel("forget tokens of a plain model   (upright: what the labels missed)")
        above.set_ylabel("forget loss, nats")
        for row, name in enumerate(names):
            leak, style = leakage.leaks[name], style_of(name)
            below.plot([leak.low, leak.high], [row, row], color=style.light, lw=1.6)
            below.plot(leak.value, row, style.marker, color=style.light, ms=8, mec=PAPER, zorder=3)
            below.annotate(f"{leak.value:.3f}", (leak.high, row), (8, 0), textcoords="offset points", va="center")
        below.set_yticks(range(len(names)), [name_of(name) for name in names])
        below.set_ylim(len(names) - 0.5, -0.6)
        below.set_xlabel("leakage")
        below.margins(x=0.1)
        below.grid(axis="y", visible=False)
    return drawn
