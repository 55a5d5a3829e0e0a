"""Whether scores are probabilities."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from gradmask.lab.labeling.curves import reliability
from gradmask.lab.labeling.evidence import Evidence
from gradmask.lab.labeling.looks import color_of
from gradmask.lab.report.style import PAPER, SOFT, figure, short

TITLE = "Can the scores be believed?"
CAPTION = (
    "Held-out examples in bins of about equal size: their mean score, and how many of them truly are the group's, weighted to "
    "the share that the group has in the corpus, with 95 % intervals. On the diagonal a score is a probability; above it the "
    "group is more frequent than the scores say."
)


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


def draw(of: Evidence) -> Figure:
    """All groups in one panel."""
    with figure(8.6, 3.8) as drawn:
        axes = drawn.subplots()
        axes.plot([0, 1], [0, 1], color=SOFT, lw=1, ls="--")
        for number, group in enumerate(of.groups):
            color = color_of(group, of.groups).light
            mine = [row for row in rows(of) if row["group"] == group]
            for row in mine:
                axes.plot([row["score"]] * 2, [row["low"], row["high"]], color=color, lw=1.2)
            xs, ys = [row["score"] for row in mine], [row["frequency"] for row in mine]
            marker = "os^vP"[number % 5]
            axes.plot(xs, ys, marker, color=color, ms=8, mec=PAPER, label=short(group))
        axes.set_xlabel("score")
        axes.set_ylabel("share that is the group's")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.legend(frameon=False, loc="upper left")
    return drawn
