"""What is removed, against the cost in retain loss."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradmask.lab.compare.figures.parts import flat, key_of
from gradmask.lab.compare.results import Comparison
from gradmask.lab.compare.runs import MAIN
from gradmask.lab.compare.table import removed_rivals
from gradmask.lab.report.endings import spread
from gradmask.lab.report.parts import Rows
from gradmask.lab.report.style import LINE, PAPER, SOFT, figure, style_of

LOWEST, HIGHEST = -0.5, 1.5
"""Shares of the gap outside these bounds are drawn at the edge, with their value beside the name."""


def frontier_rows(comparison: Comparison) -> Rows:
    """Gap closed and retain difference of every model that should lack the capability."""
    return [
        {
            "rival": r.title,
            **flat("gap_closed", r.gap_closed),
            **flat("retain_difference", r.differences.get("retain")),
        }
        for r in removed_rivals(comparison.settings[MAIN])
    ]


def frontier(comparison: Comparison) -> Figure | None:
    """Gap closed against retain loss: up and right are better."""
    rivals = [r for r in removed_rivals(comparison.settings[MAIN]) if r.gap_closed and "retain" in r.differences]
    if not rivals:
        return None
    with figure(8.6, 5.4) as drawn:
        axes = drawn.subplots()
        axes.axhline(1, color=LINE, lw=1)
        axes.axvline(0, color=LINE, lw=1)
        ends = []
        for rival in rivals:
            assert rival.gap_closed is not None
            x, y, style = rival.differences["retain"], rival.gap_closed, style_of(key_of(rival))
            at, beyond = min(max(y.mean, LOWEST), HIGHEST), not LOWEST <= y.mean <= HIGHEST
            reach = (0.0 if beyond else min(y.reach, 1.0), x.reach)
            axes.errorbar(x.mean, at, *reach, style.marker, color=style.light, ms=8, mec=PAPER, elinewidth=1.1)
            ends.append((f"{rival.title} ({y.mean:.1f})" if beyond else rival.title, x.mean, at, style.light))
        axes.invert_xaxis()
        axes.margins(0.08)
        axes.set_ylim(max(axes.get_ylim()[0], LOWEST - 0.1), min(axes.get_ylim()[1], HIGHEST + 0.1))
        axes.set_xlabel("retain loss against no filter, nats per token   (better →)")
        axes.set_ylabel(f"gap closed: 0 no filter, 1 {comparison.settings[MAIN].end}")
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
