"""Studies of the labels: a sweep over the share of forget text they miss, and a heat map of both kinds of error."""

from __future__ import annotations

from gradmask.lab.compare.figures.parts import flat, key_of, look_of
from gradmask.lab.compare.results import Compared, Comparison, Rival
from gradmask.lab.compare.runs import MAIN
from gradmask.lab.compare.table import removed_rivals
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.grid import Cell, Grid
from gradmask.lab.report.charts.lines import Axis, Line, Lines
from gradmask.lab.report.parts import Rows

PANELS = {
    "gap_closed": "gap closed: 0 no filter, 1 perfect filter",
    "retain_difference": "retain loss against no filter, nats",
}


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


def undiscovered(comparison: Comparison) -> Drawing | None:
    """Gap closed and retain loss against the share of forget text that is not labeled."""
    settings = _sweep(comparison)
    shared = set.intersection(*({r.title for r in removed_rivals(s)} for s in settings)) if settings else set()
    rivals = [r for r in removed_rivals(settings[0]) if r.title in shared] if len(settings) > 1 else []
    rows = undiscovered_rows(comparison)
    lines = [line for name, panel in PANELS.items() for r in rivals if (line := _swept(r, rows, name, panel))]
    axes = Axis("forget text that is not labeled", ".0%"), Axis("", ".2~f")
    return Lines(lines, *axes, columns=2, height=230) if lines else None


def _swept(rival: Rival, rows: Rows, name: str, panel: str) -> Line | None:
    mine = [row for row in rows if row["rival"] == rival.title and row[name] is not None]
    if not mine:
        return None
    points = [(row["undiscovered"], row[name]) for row in mine]
    lows, highs = (
        [row[name] if row[f"{name}_{end}"] is None else row[f"{name}_{end}"] for row in mine] for end in ("low", "high")
    )
    return Line(key_of(rival), look_of(rival), points, f"{points[-1][1]:.2f}", panel, lows, highs)


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


def rates(comparison: Comparison) -> Drawing | None:
    """A heat map of gap closed for gradmask and for filtering with the same labels."""
    cells = [
        Cell(f"gap closed: {row['rival']}", row["true_positives"], row["false_positives"], row["gap_closed"])
        for title in ("gradmask, removed", "filter, same labels")
        for row in rates_rows(comparison)
        if row["rival"] == title and row["gap_closed"] is not None
    ]
    return Grid(cells, "true positives", "false positives") if cells else None
