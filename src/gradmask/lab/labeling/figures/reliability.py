"""Whether scores are probabilities."""

from __future__ import annotations

from typing import Any

from gradmask.lab.labeling.curves import reliability
from gradmask.lab.labeling.evidence import Evidence
from gradmask.lab.labeling.looks import style_of
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.lines import Axis, Line, Lines
from gradmask.lab.report.style import PALETTE, Style

TITLE = "Can the scores be believed?"
CAPTION = (
    "Held-out examples in bins of about equal size: their mean score, and how many of them truly are the group's, weighted to "
    "the share that the group has in the corpus, with 95 % intervals. On the diagonal a score is a probability; above it the "
    "group is more frequent than the scores say."
)
IDEAL = Style("ideal", **vars(PALETTE["grey"]), marker="o")


def rows(of: Evidence) -> list[dict[str, Any]]:
    """Every bin of every group."""
    return [
        {"group": group, "score": score, "frequency": share, "low": low, "high": high, "examples": n}
        for group in of.groups
        for score, share, (low, high), n in reliability(of.held[group])
    ]


def alternative(of: Evidence) -> str:
    """The expected calibration errors."""
    errors = of.labeler.calibration_errors()
    return "; ".join(f"{group}: expected calibration error {errors[group]:.3f}" for group in of.groups)


def draw(of: Evidence) -> Drawing:
    """All groups in one panel."""
    found = rows(of)
    lines = [Line("ideal", IDEAL, [(0.0, 0.0), (1.0, 1.0)], "", pale=True)]
    for group in of.groups:
        mine = [row for row in found if row["group"] == group]
        points = [(row["score"], row["frequency"]) for row in mine]
        lows, highs = ([row[end] for row in mine] for end in ("low", "high"))
        lines.append(Line(group, style_of(group, of.groups), points, "", lows=lows, highs=highs, joined=False))
    whole = (-0.02, 1.02)
    axes = Axis("score", range=whole), Axis("share that is the group's", range=whole)
    return Lines(lines, *axes, named=False)
