"""How long relearning takes: bars of steps, and recovery curves."""

from __future__ import annotations

import numpy as np

from gradmask.lab.compare.figures.parts import flat, key_of, look_of
from gradmask.lab.compare.results import Comparison, Rival
from gradmask.lab.compare.runs import MAIN
from gradmask.lab.compare.statistics import Estimate
from gradmask.lab.compare.table import removed_rivals
from gradmask.lab.measures.recovery import Curve
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.dots import Dot, Dots
from gradmask.lab.report.charts.lines import Axis, Level, Line, Lines
from gradmask.lab.report.parts import Rows

MOST, ALL = "90 % of the way back", "all of the way back"


def relearning_rows(comparison: Comparison) -> Rows:
    """Steps to relearn, and how many seeds did not relearn."""
    return [
        {
            "rival": r.title,
            **flat("steps_to_90_percent", r.most),
            **flat("steps", r.relearning),
            "not_relearned": r.not_relearned,
        }
        for r in _attacked(comparison)
    ]


def relearning(comparison: Comparison) -> Drawing | None:
    """Two bars per rival: steps to regain 90 % of the gap, and all of it."""
    rivals = sorted(_attacked(comparison), key=lambda r: (r.most or r.relearning).mean)  # type: ignore[union-attr]
    dots = [
        Dot(key_of(r), look_of(r), panel, r.title, steps.mean, _steps(steps, r, panel), steps.low, steps.high)
        for panel, name in ((MOST, "most"), (ALL, "relearning"))
        for r in rivals
        if (steps := getattr(r, name)) is not None
    ]
    return Dots(dots, "steps of fine-tuning (longer: better removed)", bars=True) if dots else None


def _steps(steps: Estimate, rival: Rival, panel: str) -> str:
    never = panel == ALL and rival.not_relearned == len(steps.values)
    return f"≥ {steps.mean:.0f}" if never else f"{steps.mean:.0f}"


def recovery_rows(comparison: Comparison) -> Rows:
    """Every point of every seed's recovery curve."""
    return [
        {"rival": r.title, "seed": seed, "step": step, "forget_loss": loss}
        for r in _attacked(comparison)
        for seed, curve in r.curves.items()
        for step, loss in curve
    ]


def recovery(comparison: Comparison) -> Drawing | None:
    """A line per rival, mean over seeds."""
    means = [(r, _mean(list(r.curves.values()))) for r in _attacked(comparison) if r.curves]
    lines = [Line(key_of(r), look_of(r), curve, f"{curve[-1][1]:.2f}") for r, curve in means if len(curve) > 1]
    levels = [Level(y=level, text="no filter") for level in _targets(comparison)]
    axes = Axis("steps of fine-tuning", scale="symlog"), Axis("forget loss, nats per token", ".2~f")
    return Lines(lines, *axes, levels, height=340) if lines else None


def _attacked(comparison: Comparison) -> list[Rival]:
    return [r for r in removed_rivals(comparison.settings[MAIN]) if r.relearning is not None]


def _targets(comparison: Comparison) -> list[float]:
    """The mean forget loss of no filter, if known."""
    levels = [level for r in _attacked(comparison) for level in r.targets.values()]
    return [float(np.mean(levels))] if levels else []


def _mean(curves: list[Curve]) -> Curve:
    """Mean over seeds at the steps that every seed has."""
    last = min(curve[-1][0] for curve in curves)
    steps = sorted({step for curve in curves for step, _ in curve if step <= last})
    losses = [np.interp(steps, [s for s, _ in curve], [x for _, x in curve]) for curve in curves]
    return [(step, float(loss)) for step, loss in zip(steps, np.mean(losses, axis=0), strict=True)]
