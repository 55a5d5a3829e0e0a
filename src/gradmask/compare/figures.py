"""The figures of a comparison: ``rows`` are the numbers behind each, ``draw`` makes a Matplotlib figure of them, or None."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradmask.compare.results import Compared, Comparison, Rival
from gradmask.compare.statistics import Estimate
from gradmask.compare.table import removed_rivals
from gradmask.compare.units import MAIN
from gradmask.report.endings import spread
from gradmask.report.parts import FigureKind, Rows
from gradmask.report.style import LINE, PAPER, SOFT, figure, look_of

LOWEST, HIGHEST = -0.5, 1.5
"""Shares of the gap beyond are drawn at the edge, and written out."""


def key_of(rival: Rival) -> str:
    """What a rival's look belongs to: an arm, or one of its models."""
    return f"{rival.arm}/{rival.view}" if rival.arm == "gradmask" else rival.arm


def _flat(name: str, value: Estimate | None) -> dict[str, Any]:
    if value is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}


def frontier_rows(found: Comparison) -> Rows:
    """Gap closed and retain difference of everything that is to be without the capability."""
    return [
        {
            "rival": r.title,
            **_flat("gap_closed", r.gap_closed),
            **_flat("retain_difference", r.differences.get("retain")),
        }
        for r in removed_rivals(found.settings[MAIN])
    ]


def frontier(found: Comparison) -> Figure | None:
    """What is removed against what it costs: up and right are better."""
    rivals = [r for r in removed_rivals(found.settings[MAIN]) if r.gap_closed and "retain" in r.differences]
    if not rivals:
        return None
    with figure(8.6, 5.4) as drawn:
        axes = drawn.subplots()
        axes.axhline(1, color=LINE, lw=1)
        axes.axvline(0, color=LINE, lw=1)
        ends = []
        for rival in rivals:
            assert rival.gap_closed is not None
            x, y, look = rival.differences["retain"], rival.gap_closed, look_of(key_of(rival))
            at, beyond = min(max(y.mean, LOWEST), HIGHEST), not LOWEST <= y.mean <= HIGHEST
            reach = (0.0 if beyond else min(y.reach, 1.0), x.reach)
            axes.errorbar(x.mean, at, *reach, look.marker, color=look.light, ms=8, mec=PAPER, elinewidth=1.1)
            ends.append((f"{rival.title} ({y.mean:.1f})" if beyond else rival.title, x.mean, at, look.light))
        axes.invert_xaxis()
        axes.margins(0.08)
        axes.set_ylim(max(axes.get_ylim()[0], LOWEST - 0.1), min(axes.get_ylim()[1], HIGHEST + 0.1))
        axes.set_xlabel("retain loss against no filter, nats per token   (better →)")
        axes.set_ylabel("gap closed: 0 no filter, 1 perfect filter")
        _names(axes, ends, 5.4)
    return drawn


def _names(axes: Axes, ends: list[tuple[str, float, float, str]], height: float) -> None:
    bottom, top = axes.get_ylim()
    levels = spread([y for _, _, y, _ in ends], (top - bottom) * 0.19 / height)
    for (title, x, y, color), level in zip(ends, levels, strict=True):
        axes.annotate(
            title,
            (x, y),
            (1.03, level),
            textcoords=("axes fraction", "data"),
            va="center",
            fontsize=8.5,
            color=color,
            arrowprops={"arrowstyle": "-", "color": SOFT, "lw": 0.4, "shrinkA": 2, "shrinkB": 5, "relpos": (0, 0.5)},
            annotation_clip=False,
        )


def relearning_rows(found: Comparison) -> Rows:
    """Steps to relearn, and how many seeds did not come back."""
    return [
        {"rival": r.title, **_flat("steps", r.relearning), "not_relearned": r.not_relearned}
        for r in removed_rivals(found.settings[MAIN])
        if r.relearning is not None
    ]


def relearning(found: Comparison) -> Figure | None:
    """A bar per rival: steps of the strongest attack."""
    rivals = [r for r in removed_rivals(found.settings[MAIN]) if r.relearning is not None]
    rivals.sort(key=lambda r: r.relearning.mean if r.relearning else 0.0)
    if not rivals:
        return None
    with figure(8.6, 0.9 + 0.32 * len(rivals)) as drawn:
        axes = drawn.subplots()
        for row, rival in enumerate(rivals):
            steps, look = rival.relearning, look_of(key_of(rival))
            assert steps is not None
            axes.barh(row, steps.mean, 0.62, color=look.light, xerr=steps.reach or None, ecolor=SOFT)
            beyond = " (not within the budget)" if rival.not_relearned == len(steps.values) else ""
            axes.annotate(
                f"{steps.mean:.0f}{beyond}", (steps.mean + steps.reach, row), (6, 0), textcoords="offset points",
                va="center", fontsize=8.5,
            )  # fmt: skip
        axes.set_yticks(range(len(rivals)), [r.title for r in rivals])
        axes.set_xlabel("steps of the strongest attack until the forget loss of no filter   (longer: better removed)")
        axes.margins(x=0.18)
        axes.set_xlim(0)
        axes.grid(axis="y", visible=False)
    return drawn


def _sweep(found: Comparison) -> list[Compared]:
    """The settings of the sweep, the recipe's own among them, by their rate."""
    own = found.settings[MAIN]
    others = [s for s in found.settings.values() if s.kind == "undiscovered"]
    return sorted([*others, own], key=lambda s: s.undiscovered) if others else []


def undiscovered_rows(found: Comparison) -> Rows:
    """Every rival at every rate, over the seeds that the study has."""
    return [
        {"undiscovered": s.undiscovered, "rival": r.title, **_flat("gap_closed", r.gap_closed)}
        | _flat("retain_difference", r.differences.get("retain"))
        | _flat("leakage", r.leakage)
        for s in _sweep(found)
        for r in removed_rivals(s)
    ]


def undiscovered(found: Comparison) -> Figure | None:
    """Gap closed, and cost, against the share of forget text that is not labeled."""
    settings = _sweep(found)
    shared = set.intersection(*({r.title for r in removed_rivals(s)} for s in settings)) if settings else set()
    if len(settings) < 2 or not shared:
        return None
    with figure(8.6, 4.2) as drawn:
        left, right = drawn.subplots(1, 2)
        for axes, name, label in (
            (left, "gap_closed", "gap closed: 0 no filter, 1 perfect filter"),
            (right, "retain_difference", "retain loss against no filter, nats"),
        ):
            for rival in [r for r in removed_rivals(settings[0]) if r.title in shared]:
                points = [
                    (100 * row["undiscovered"], row[name], row[f"{name}_high"])
                    for row in undiscovered_rows(found)
                    if row["rival"] == rival.title and row[name] is not None
                ]
                if points:
                    xs, ys, highs = zip(*points, strict=True)
                    reach = [0.0 if high is None else high - y for y, high in zip(ys, highs, strict=True)]
                    look = look_of(key_of(rival))
                    axes.errorbar(xs, ys, reach, fmt=look.marker + "-", color=look.light, ms=5, label=rival.title)
            axes.set_xlabel("forget text that is not labeled, %")
            axes.set_title(label, fontsize=9.5)
        left.legend(frameon=False, fontsize=8.5)
    return drawn


def rates_rows(found: Comparison) -> Rows:
    """Gap closed and cost of every rival at every pair of rates."""
    return [
        {"true_positives": 1 - s.undiscovered, "false_positives": s.false_positives, "rival": r.title}
        | _flat("gap_closed", r.gap_closed)
        | _flat("retain_difference", r.differences.get("retain"))
        for s in [found.settings[MAIN], *(s for s in found.settings.values() if s.kind == "rates")]
        for r in removed_rivals(s)
        if any(other.kind == "rates" for other in found.settings.values())
    ]


def rates(found: Comparison) -> Figure | None:
    """A heat map of gap closed for gradmask and for filtering with the same labels."""
    rows = [row for row in rates_rows(found) if row["gap_closed"] is not None]
    titles = [t for t in ("gradmask, removed", "filter, same labels") if any(row["rival"] == t for row in rows)]
    if not titles:
        return None
    hits, alarms = (sorted({round(row[k], 6) for row in rows}) for k in ("true_positives", "false_positives"))
    with figure(8.6, 1.6 + 0.5 * len(hits)) as drawn:
        panels = drawn.subplots(1, len(titles), squeeze=False)[0]
        for panel, title in zip(panels, titles, strict=True):
            grid = np.full((len(hits), len(alarms)), np.nan)
            for row in rows:
                if row["rival"] == title:
                    at = hits.index(round(row["true_positives"], 6)), alarms.index(round(row["false_positives"], 6))
                    grid[at] = row["gap_closed"]
            panel.imshow(grid, origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=1)
            for (i, j), value in np.ndenumerate(grid):
                if not np.isnan(value):
                    color = "black" if value > 0.6 else "white"
                    panel.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=9, color=color)
            panel.set_xticks(range(len(alarms)), [f"{100 * x:g} %" for x in alarms])
            panel.set_yticks(range(len(hits)), [f"{100 * x:g} %" for x in hits])
            panel.set_title(f"gap closed: {title}")
            panel.set_xlabel("false positives")
            panel.grid(visible=False)
        panels[0].set_ylabel("true positives")
    return drawn


FIGURES: dict[str, FigureKind[Comparison]] = {
    "frontier": FigureKind(
        "What is removed, and what it costs",
        "Every model that is to be without the capability. Up: closer to a model that never saw it; above 1 is damage, and what "
        "lies far beyond is drawn at the edge with its number. Right: what is kept is known better. Lines are 95 % intervals "
        "over seeds.",
        frontier_rows,
        frontier,
    ),
    "relearning": FigureKind(
        "How long it stays gone",
        "Fine-tuning steps until the forget loss of a model trained without any filter, by the strongest of the attacks on "
        "each; a seed that did not come back counts with the whole budget. Lines are 95 % intervals over seeds.",
        relearning_rows,
        relearning,
    ),
    "undiscovered": FigureKind(
        "When the labels miss more",
        "The same training with another share of the forget text left unlabeled. Where the studies have fewer seeds than "
        "the comparison, only the point of the recipe's own labels has them all.",
        undiscovered_rows,
        undiscovered,
    ),
    "rates": FigureKind(
        "When the labels err both ways",
        "True positives: share of forget documents that are labeled so. False positives: share of the others that are "
        "labeled forget by mistake.",
        rates_rows,
        rates,
    ),
}
