"""Precision against recall, with the chosen point."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gradmask.lab.labeling.curves import at, curve, intervals, measured_precision
from gradmask.lab.labeling.evidence import Evidence
from gradmask.lab.labeling.looks import style_of
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.lines import Axis, Level, Line, Lines
from gradmask.lab.report.style import short

TITLE = "Precision and recall"
CAPTION = (
    "Each point is a threshold. Recall: of held-out examples. Precision: by held-out examples at the share that the group has in "
    "the corpus (thin), or by the scores of unlabeled text where that is lower (thick: the lower of the two). Filled: the "
    "threshold that was chosen for the group, with 95 % intervals by held-out examples alone; hollow: what is not labeled "
    "retain. Between the two lies what stays unlabeled. Dashed: the group's share of the corpus."
)
COLUMNS = 2


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


def draw(of: Evidence) -> Drawing:
    """A panel per group."""
    lines = [line for group in of.groups for line in _lines(of, group)]
    levels = [
        Level(y=of.labeler.prevalence[group], text="share of the corpus", panel=_title(of, group))
        for group in of.groups
    ]
    axes = Axis("recall", range=(-0.02, 1.03)), Axis("precision", range=(-0.02, 1.06))
    return Lines(lines, *axes, levels, columns=COLUMNS, named=False, steps=True)


def _title(of: Evidence, group: str) -> str:
    point = at(of.held[group], of.labeler.thresholds[group].forget_above)
    return f"{short(group)} from {point.above:.2f}: precision {point.precision:.2f}, recall {point.recall:.2f}"


def _lines(of: Evidence, group: str) -> list[Line]:
    held, thresholds, panel = of.held[group], of.labeler.thresholds[group], _title(of, group)
    points = curve(held)
    low, chosen = (at(held, above) for above in (thresholds.retain_below, thresholds.forget_above))
    (down, up), (left, right) = intervals(held, thresholds.forget_above)

    def line(name: str, points: list[tuple[float, float]], **more: Any) -> Line:
        style = replace(style_of(group, of.groups), name=name)
        return Line(group, style, points, "", panel, **more)

    return [
        line(group, [(p.recall, measured_precision(held, p.above)) for p in points], pale=True),
        line(group, [(left, chosen.precision), (right, chosen.precision)], marked=False),
        line(group, [(p.recall, p.precision) for p in points], marked=False),
        line(f"{group}, not labeled retain", [(low.recall, low.precision)], hollow=True),
        line(f"{group}, chosen", [(chosen.recall, chosen.precision)], lows=[down], highs=[up]),
    ]
