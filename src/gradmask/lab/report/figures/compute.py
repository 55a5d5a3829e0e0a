"""Compute ratios: what each model is worth in training compute of a plain one."""

from __future__ import annotations

from typing import Any

from gradmask.lab.measures.laws import Ratio
from gradmask.lab.measures.results import Results
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.dots import Dot, Dots
from gradmask.lab.report.series import ordered
from gradmask.lab.report.style import style_of

TITLE = "Losses as compute"
CAPTION = (
    "The share of its training compute after which the model without any filter would have the same loss, by the power law "
    "fitted to it (1: as good; the penalty is 1 minus it). Left of 1 is worse, as it should be on the forget domain. Hollow: "
    "after the strongest relearning attack. Bars are 95 % intervals of the fit alone."
)
ROLES = ("forget", "adjacent", "retain")


def rows(results: Results) -> list[dict[str, Any]]:
    """Every ratio with its interval; the role ``elicited forget`` is after the attack."""
    compute = results.findings.compute
    if compute is None:
        return []
    every: list[tuple[str, str, Ratio]] = [
        (name, role, ratio) for name, by_role in compute.ratios.items() for role, ratio in by_role.items()
    ]
    every += [(name, "elicited forget", ratio) for name, ratio in compute.elicited.items()]
    return [
        {"series": name, "role": role, "ratio": r.value, "low": r.low, "high": r.high, "penalty": 1 - r.value}
        for name, role, r in sorted(every, key=lambda item: ordered(item[0]))
    ]


def draw(results: Results) -> Drawing | None:
    """A panel per role, a row per model."""
    points = rows(results)
    roles = [role for role in ROLES if any(row["role"] == role for row in points)]
    dots = [
        Dot(
            row["series"],
            style_of(row["series"]),
            f"{role} domains",
            style_of(row["series"]).name + (", attacked" if row["role"] != role else ""),
            row["ratio"],
            f"{row['ratio']:.2f}",
            row["low"],
            row["high"],
            hollow=row["role"] != role,
        )
        for role in roles
        for row in points
        if row["role"].rpartition(" ")[2] == role
    ]
    return Dots(dots, "compute ratio", "~g", log=True, at=1.0) if dots else None
