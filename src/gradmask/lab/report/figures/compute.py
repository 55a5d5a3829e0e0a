"""Compute ratios: what each model is worth in training compute of a plain one."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from gradmask.lab.measures.laws import Ratio
from gradmask.lab.measures.results import Results
from gradmask.lab.report.series import ordered
from gradmask.lab.report.style import PAPER, SOFT, figure, name_of, style_of

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


def draw(results: Results) -> Figure | None:
    """A panel per role, a row per model."""
    points = rows(results)
    if not points:
        return None
    names = list(dict.fromkeys(row["series"] for row in points))
    roles = [role for role in ROLES if any(row["role"] == role for row in points)]
    with figure(8.6, 1.2 + 0.42 * len(names)) as drawn:
        panels = drawn.subplots(1, len(roles), sharey=True, squeeze=False)[0]
        for panel, role in zip(panels, roles, strict=True):
            for row in points:
                if row["role"].rpartition(" ")[2] == role:
                    style, at = style_of(row["series"]), names.index(row["series"])
                    hollow = row["role"] != role
                    panel.plot([row["low"], row["high"]], [at, at], color=style.light, lw=1.6)
                    face = PAPER if hollow else style.light
                    panel.plot(row["ratio"], at, style.marker, ms=8, mfc=face, mec=style.light, mew=1.2, zorder=3)
            panel.axvline(1, color=SOFT, lw=1, ls="--")
            panel.set_xscale("log")
            panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
            panel.xaxis.set_major_formatter("{x:g}")
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.set_title(f"{role} domains")
            panel.set_xlabel("compute ratio")
            panel.grid(axis="y", visible=False)
        panels[0].set_yticks(range(len(names)), [name_of(name) for name in names])
        panels[0].set_ylim(len(names) - 0.5, -0.7)
    return drawn
