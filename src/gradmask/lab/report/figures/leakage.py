"""The ladder of plain models, and where each model stands on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradmask.lab.measures.comparisons.leakage import Leak, Leakage
from gradmask.lab.measures.results import Results
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.lines import Axis, Level, Line, Lines
from gradmask.lab.report.series import ordered
from gradmask.lab.report.style import PALETTE, Style, style_of

TITLE = "Leakage"
CAPTION = (
    "Grey: plain models trained on all that is kept and so many forget tokens. Each model is read back on that line by its "
    "forget loss; the number is its leakage, the equivalent tokens over the forget tokens that the labels missed. The line "
    "between rungs makes leakage look larger than it is."
)
LADDER = Style("plain models", **vars(PALETTE["grey"]), marker="o")


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


def draw(results: Results) -> Drawing | None:
    """The ladder, and every model on it."""
    leakage = results.findings.leakage
    if leakage is None or not leakage.leaks:
        return None
    rungs = sorted((rung.tokens, rung.loss) for rung in leakage.ladder)
    ladder = Line("ladder", LADDER, rungs, "")
    models = [
        Line(
            name,
            style_of(name),
            [(leak.equivalent_tokens, _level(rungs, leak))],
            f"{leak.value:.3f}",
            reach=_reach(leakage, leak),
        )
        for name, leak in sorted(leakage.leaks.items(), key=lambda item: ordered(item[0]))
    ]
    missed = Level(x=leakage.undiscovered_tokens, text="missed by the labels")
    axes = Axis("forget tokens of a plain model", "~s"), Axis("forget loss, nats per token", ".2~f")
    return Lines([ladder, *models], *axes, [missed])


def _level(rungs: list[tuple[int, float]], leak: Leak) -> float:
    tokens, losses = zip(*rungs, strict=True)
    return float(np.interp(leak.equivalent_tokens, tokens, losses))


def _reach(leakage: Leakage, leak: Leak) -> float:
    return (leak.high - leak.low) / 2 * leakage.undiscovered_tokens
