"""How long relearning takes: bars of steps, and recovery curves."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradmask.lab.compare.figures.parts import flat, key_of
from gradmask.lab.compare.results import Comparison, Rival
from gradmask.lab.compare.runs import MAIN
from gradmask.lab.compare.table import removed_rivals
from gradmask.lab.measures.recovery import Curve
from gradmask.lab.report.endings import name_ends
from gradmask.lab.report.parts import Rows
from gradmask.lab.report.style import SOFT, figure, style_of


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


def relearning(comparison: Comparison) -> Figure | None:
    """Two bars per rival: steps to regain 90 % of the gap, and all of it."""
    rivals = sorted(_attacked(comparison), key=lambda r: (r.most or r.relearning).mean)  # type: ignore[union-attr]
    if not rivals:
        return None
    with figure(8.6, 0.9 + 0.32 * len(rivals)) as drawn:
        axes = drawn.subplots()
        for row, rival in enumerate(rivals):
            style = style_of(key_of(rival))
            for steps, shade in ((rival.relearning, 0.35), (rival.most, 1.0)):
                if steps is not None:
                    bar = {"color": style.light, "alpha": shade}
                    axes.barh(row, steps.mean, 0.62, xerr=steps.reach or None, ecolor=SOFT, **bar)
            far = max((s.mean + s.reach for s in (rival.relearning, rival.most) if s is not None), default=0.0)
            label = " / ".join(f"{s.mean:.0f}" for s in (rival.most, rival.relearning) if s is not None)
            never = rival.relearning is not None and rival.not_relearned == len(rival.relearning.values)
            label += " (not within the budget)" if never else ""
            axes.annotate(label, (far, row), (6, 0), textcoords="offset points", va="center", fontsize=8.5)
        axes.set_yticks(range(len(rivals)), [r.title for r in rivals])
        axes.set_xlabel(
            "steps to 90 % of the way back, and (pale) to no filter's forget loss   (longer: better removed)"
        )
        axes.margins(x=0.18)
        axes.set_xlim(0)
        axes.grid(axis="y", visible=False)
    return drawn


def recovery_rows(comparison: Comparison) -> Rows:
    """Every point of every seed's recovery curve."""
    return [
        {"rival": r.title, "seed": seed, "step": step, "forget_loss": loss}
        for r in _attacked(comparison)
        for seed, curve in r.curves.items()
        for step, loss in curve
    ]


def recovery(comparison: Comparison) -> Figure | None:
    """A line per rival, mean over seeds."""
    means = {key_of(r): _mean(list(r.curves.values())) for r in _attacked(comparison) if r.curves}
    means = {key: curve for key, curve in means.items() if len(curve) > 1}
    if not means:
        return None
    with figure(8.6, 4.4) as drawn:
        axes = drawn.subplots()
        ends = []
        for key, curve in means.items():
            steps, losses = zip(*curve, strict=True)
            axes.plot(steps, losses, color=style_of(key).light, lw=2, marker=style_of(key).marker, ms=3.5)
            ends.append((key, steps[-1], losses[-1]))
        for level in _targets(comparison):
            axes.axhline(level, color=SOFT, lw=1, ls="--")
            axes.annotate("no filter", (0, level), (2, -10), textcoords="offset points", fontsize=8.5, color=SOFT)
        axes.set_xscale("symlog", linthresh=1, linscale=0.4)
        ticks = [t for t in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if t <= max(x for _, x, _ in ends)]
        axes.set_xticks(ticks, [str(t) for t in ticks])
        axes.minorticks_off()
        axes.set_xlabel("steps of fine-tuning")
        axes.set_ylabel("forget loss, nats per token")
        axes.margins(x=0.02, y=0.08)
        axes.set_ylim(axes.get_ylim())
        name_ends(axes, ends, 3.6, names={key_of(r): r.title for r in _attacked(comparison)})
    return drawn


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
