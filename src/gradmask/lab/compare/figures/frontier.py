"""What is removed, against the cost in retain loss."""

from __future__ import annotations

from gradmask.lab.compare.figures.parts import flat, key_of, look_of
from gradmask.lab.compare.results import Comparison, Rival
from gradmask.lab.compare.runs import MAIN
from gradmask.lab.compare.table import removed_rivals
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.lines import Axis, Level, Line, Lines
from gradmask.lab.report.parts import Rows

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


def frontier(comparison: Comparison) -> Drawing | None:
    """Gap closed against retain loss: up and right are better."""
    main = comparison.settings[MAIN]
    rivals = [r for r in removed_rivals(main) if r.gap_closed and "retain" in r.differences]
    if not rivals:
        return None
    across = Axis("retain loss against no filter, nats per token   (better →)", ".2~f", turned=True)
    up = Axis(f"gap closed: 0 no filter, 1 {main.end}", ".2~f")
    return Lines([_point(r) for r in rivals], across, up, [Level(x=0), Level(y=1)], height=380)


def _point(rival: Rival) -> Line:
    assert rival.gap_closed is not None
    x, y = rival.differences["retain"], rival.gap_closed
    at, inside = min(max(y.mean, LOWEST), HIGHEST), LOWEST <= y.mean <= HIGHEST
    reach = min(y.reach, 1.0) if inside else 0.0
    text = f"{y.mean:.2f} / {x.mean:+.3f}".replace("-", "−")
    return Line(
        key_of(rival), look_of(rival), [(x.mean, at)], text, lows=[at - reach], highs=[at + reach], reach=x.reach
    )
