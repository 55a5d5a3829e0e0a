"""Studies of the labels: a sweep over the share of forget text they miss, and a heat map of both kinds of error."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradmask.lab.compare.figures.parts import flat, key_of
from gradmask.lab.compare.results import Compared, Comparison
from gradmask.lab.compare.runs import MAIN
from gradmask.lab.compare.table import removed_rivals
from gradmask.lab.report.parts import Rows
from gradmask.lab.report.style import figure, style_of


def _sweep(comparison: Comparison) -> list[Compared]:
    """The settings of the sweep and the recipe's own, by their share of unlabeled forget text."""
    own = comparison.settings[MAIN]
    others = [s for s in comparison.settings.values() if s.kind == "undiscovered"]
    return sorted([*others, own], key=lambda s: s.undiscovered) if others else []


def undiscovered_rows(comparison: Comparison) -> Rows:
    """Every rival at every rate, over the seeds of the study."""
    return [
        {"undiscovered": s.undiscovered, "rival": r.title, **flat("gap_closed", r.gap_closed)}
        | flat("retain_difference", r.differences.get("retain"))
        | flat("leakage", r.leakage)
        for s in _sweep(comparison)
        for r in removed_rivals(s)
    ]


def undiscovered(comparison: Comparison) -> Figure | None:
    """Gap closed and retain loss against the share of forget text that is not labeled."""
    settings = _sweep(comparison)
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
                    for row in undiscovered_rows(comparison)
                    if row["rival"] == rival.title and row[name] is not None
                ]
                if points:
                    xs, ys, highs = zip(*points, strict=True)
                    reach = [0.0 if high is None else high - y for y, high in zip(ys, highs, strict=True)]
                    style = style_of(key_of(rival))
                    axes.errorbar(xs, ys, reach, fmt=style.marker + "-", color=style.light, ms=5, label=rival.title)
            axes.set_xlabel("forget text that is not labeled, %")
            axes.set_title(label, fontsize=9.5)
        left.legend(frameon=False, fontsize=8.5)
    return drawn


def rates_rows(comparison: Comparison) -> Rows:
    """Gap closed and cost of every rival at every pair of rates."""
    return [
        {"true_positives": 1 - s.undiscovered, "false_positives": s.false_positives, "rival": r.title}
        | flat("gap_closed", r.gap_closed)
        | flat("retain_difference", r.differences.get("retain"))
        for s in [comparison.settings[MAIN], *(s for s in comparison.settings.values() if s.kind == "rates")]
        for r in removed_rivals(s)
        if any(other.kind == "rates" for other in comparison.settings.values())
    ]


def rates(comparison: Comparison) -> Figure | None:
    """A heat map of gap closed for gradmask and for filtering with the same labels."""
    rows = [row for row in rates_rows(comparison) if row["gap_closed"] is not None]
    titles = [t for t in ("gradmask, removed", "filter, same labels") if any(row["rival"] == t for row in rows)]
    if not titles:
        return None
    true_positives, false_positives = (
        sorted({round(row[k], 6) for row in rows}) for k in ("true_positives", "false_positives")
    )
    with figure(8.6, 1.6 + 0.5 * len(true_positives)) as drawn:
        panels = drawn.subplots(1, len(titles), squeeze=False)[0]
        for panel, title in zip(panels, titles, strict=True):
            grid = np.full((len(true_positives), len(false_positives)), np.nan)
            for row in rows:
                if row["rival"] == title:
                    at = (
                        true_positives.index(round(row["true_positives"], 6)),
                        false_positives.index(round(row["false_positives"], 6)),
                    )
                    grid[at] = row["gap_closed"]
            panel.imshow(grid, origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=1)
            for (i, j), value in np.ndenumerate(grid):
                if not np.isnan(value):
                    color = "black" if value > 0.6 else "white"
                    panel.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=9, color=color)
            panel.set_xticks(range(len(false_positives)), [f"{100 * x:g} %" for x in false_positives])
            panel.set_yticks(range(len(true_positives)), [f"{100 * x:g} %" for x in true_positives])
            panel.set_title(f"gap closed: {title}")
            panel.set_xlabel("false positives")
            panel.grid(visible=False)
        panels[0].set_ylabel("true positives")
    return drawn
