"""Precision against recall, with the chosen point."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradmask.lab.labeling.curves import at, curve, intervals, measured_precision
from gradmask.lab.labeling.evidence import Evidence, Held
from gradmask.lab.labeling.looks import color_of
from gradmask.lab.report.style import LINE, PAPER, SOFT, figure, short

TITLE = "Precision and recall"
CAPTION = (
    "Each point is a threshold. Recall: of held-out examples. Precision: by held-out examples at the share that the group has in "
    "the corpus (thin), or by the scores of unlabeled text where that is lower (thick: the lower of the two). Filled: the "
    "threshold that was chosen for the group, with 95 % intervals by held-out examples alone; hollow: what is not labeled "
    "retain. Between the two lies what stays unlabeled. Dotted: the group's share of the corpus."
)
COLUMNS = 3


def rows(of: Evidence) -> list[dict[str, Any]]:
    """Every point of every group's curve."""
    return [
        {"group": group, **vars(point), "measured_precision": measured_precision(of.held[group], point.above)}
        for group in of.groups
        for point in curve(of.held[group])
    ]


def alternative(of: Evidence) -> str:
    """The chosen points."""
    points = [(group, at(of.held[group], of.labeler.thresholds[group].forget_above)) for group in of.groups]
    return "; ".join(
        f"{group}: precision {p.precision:.2f} and recall {p.recall:.2f} at the threshold {p.above:.3f}"
        for group, p in points
    )


def draw(of: Evidence) -> Figure:
    """A panel per group."""
    columns = min(len(of.groups), COLUMNS)
    lines = -(-len(of.groups) // columns)
    with figure(8.6, (3.3 if columns > 1 else 3.8) * lines) as drawn:
        panels = drawn.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for panel in panels[len(of.groups) :]:
            panel.set_visible(False)
        for panel, group in zip(panels, of.groups, strict=False):
            _panel(panel, of, group)
        panels[0].set_ylabel("precision")
    return drawn


def _panel(panel: Axes, of: Evidence, group: str) -> None:
    held, thresholds, color = of.held[group], of.labeler.thresholds[group], color_of(group, of.groups).light
    points = curve(held)
    recalls = [p.recall for p in points]
    panel.step(
        recalls, [measured_precision(held, p.above) for p in points], where="post", color=color, lw=0.8, alpha=0.7
    )
    panel.step(recalls, [p.precision for p in points], where="post", color=color, lw=2)
    panel.axhline(of.labeler.prevalence[group], color=SOFT, lw=0.9, ls=":")
    low = at(held, thresholds.retain_below)
    panel.plot(low.recall, low.precision, "o", ms=8, mfc=PAPER, mec=color, mew=1.4, zorder=3)
    _chosen(panel, held, thresholds.forget_above, color)
    panel.set_title(short(group, 40))
    panel.set_xlabel("recall")
    panel.set_xlim(-0.02, 1.03)
    panel.set_ylim(-0.02, 1.06)


def _chosen(panel: Axes, held: Held, above: float, color: str) -> None:
    point = at(held, above)
    (low, high), (left, right) = intervals(held, above)
    panel.plot([point.recall, point.recall], [low, high], color=color, lw=1.2, zorder=2.9)
    panel.plot([left, right], [point.precision, point.precision], color=color, lw=1.2, zorder=2.9)
    panel.plot(point.recall, point.precision, "o", ms=9, color=color, mec=PAPER, mew=1.2, zorder=3)
    panel.annotate(
        f"forget from {above:.2f}\nprecision {point.precision:.2f}\nrecall {point.recall:.2f}",
        (point.recall, point.precision),
        (0.66, 0.8) if point.recall < 0.6 else (0.04, 0.08),
        textcoords="axes fraction",
        fontsize=9,
        bbox={"boxstyle": "round,pad=0.3", "fc": PAPER, "ec": LINE},
        arrowprops={"arrowstyle": "-", "color": SOFT, "lw": 0.6, "shrinkB": 6},
    )
