"""Where scores lie: held-out examples by their label, and all documents by where they go."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from gradmask.lab.labeling.corpus import BINS
from gradmask.lab.labeling.evidence import Evidence
from gradmask.lab.labeling.looks import color_of, count
from gradmask.lab.report.style import INK, PAPER, figure, short

TITLE = "Scores by label"
CAPTION = (
    "How many documents have which score, on a logarithmic axis. Left: held-out examples by the label that they were given. "
    "Right: all documents by where they go. Upright lines: below the left one a document is labeled retain, from the right one "
    "on it is labeled with the group, between them it stays unlabeled."
)
SHOWN = 40
"""Steps that are drawn."""


def rows(of: Evidence) -> list[dict[str, Any]]:
    """Documents per step, group and label; ``of`` says of which documents."""
    edges = np.linspace(0, 1, SHOWN + 1)
    return [
        {"group": group, "of": kind, "label": label, "from": low, "to": high, "documents": int(number)}
        for group in of.groups
        for kind, hills in (("held-out", _held(of, group)), ("all", _all(of, group)))
        for label, hill in hills.items()
        for low, high, number in zip(edges.tolist(), edges[1:].tolist(), hill.tolist(), strict=False)
    ]


def alternative(of: Evidence) -> str:
    """How many documents lie between and beyond the thresholds."""
    said = []
    for group in of.groups:
        cuts, counts = of.labeler.thresholds[group], of.corpus.documents
        numbers = ", ".join(f"{count(counts.get(name, 0))} {name}" for name in (group, "retain", "unlabeled"))
        said.append(f"{group}: retain below {cuts.retain_below:.3f}, {group} from {cuts.forget_above:.3f}; {numbers}")
    return "; ".join(said)


def draw(of: Evidence) -> Figure:
    """A row per group, two panels each."""
    with figure(8.6, 2.7 * len(of.groups) + 0.3) as drawn:
        panels = drawn.subplots(len(of.groups), 2, squeeze=False, sharex=True)
        for line, group in zip(panels, of.groups, strict=True):
            _panel(line[0], of, group, _held(of, group), "held-out examples")
            _panel(line[1], of, group, _all(of, group), "all documents")
            line[0].set_ylabel("documents")
        for panel in panels[-1]:
            panel.set_xlabel("score")
    return drawn


def _held(of: Evidence, group: str) -> dict[str, np.ndarray]:
    held = of.held[group]
    steps = {name: held.scores[held.positive == own] for name, own in ((group, True), ("not " + group, False))}
    return {name: np.histogram(scores, SHOWN, (0.0, 1.0))[0] for name, scores in steps.items()}


def _all(of: Evidence, group: str) -> dict[str, np.ndarray]:
    by_label = of.corpus.scores[group].documents
    names = [name for name in (*of.groups, "retain", "unlabeled") if name in by_label]
    return {name: by_label[name].reshape(SHOWN, BINS // SHOWN).sum(axis=1) for name in names}


def _panel(panel: Axes, of: Evidence, group: str, hills: dict[str, np.ndarray], what: str) -> None:
    edges, cuts = np.linspace(0, 1, SHOWN + 1), of.labeler.thresholds[group]
    for name, hill in hills.items():
        color = color_of("retain" if name.startswith("not ") else name, of.groups).light
        panel.stairs(np.maximum(hill, 0.5), edges, baseline=0.5, fill=True, color=color, alpha=0.28)
        panel.stairs(np.maximum(hill, 0.5), edges, baseline=0.5, color=color, lw=1.3, label=short(name))
    panel.set_yscale("log")
    panel.set_ylim(0.5, max(4.0, 4 * max((float(hill.max()) for hill in hills.values()), default=1.0)))
    panel.yaxis.set_major_formatter("{x:,.0f}")
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.set_xlim(0, 1)
    for cut, side in ((cuts.retain_below, "right"), (cuts.forget_above, "left")):
        panel.axvline(cut, color=INK, lw=1.1)
        panel.annotate(
            f"{cut:.2f}",
            (cut, 1),
            (-3 if side == "right" and cut > 0.1 else 3, -2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="right" if side == "right" and cut > 0.1 else "left",
            va="top",
            fontsize=8.5,
            bbox={"boxstyle": "round,pad=0.1", "fc": PAPER, "ec": "none", "alpha": 0.8},
        )
    panel.legend(fontsize=8.5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.93))
    panel.set_title(f"{short(group)}: {what}")
