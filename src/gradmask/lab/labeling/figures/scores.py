"""Where scores lie: held-out examples by their label, and all documents by where they go."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradmask.lab.labeling.corpus import BINS
from gradmask.lab.labeling.evidence import Evidence
from gradmask.lab.labeling.looks import count, style_of
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.lines import Axis, Level, Line, Lines
from gradmask.lab.report.style import short

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


def draw(of: Evidence) -> Drawing:
    """A row per group, two panels each."""
    lines, levels = [], []
    for group in of.groups:
        for what, hills in (("held-out examples", _held(of, group)), ("all documents", _all(of, group))):
            panel = f"{short(group)}: {what}"
            lines += [_hill(of, name, hill, panel) for name, hill in hills.items()]
            cuts = of.labeler.thresholds[group]
            levels += [Level(x=cut, text=f"{cut:.2f}", panel=panel) for cut in (cuts.retain_below, cuts.forget_above)]
    most = max((y for line in lines for _, y in line.points), default=1.0)
    axes = Axis("score", range=(0.0, 1.0)), Axis("documents", "~s", "log", (0.5, max(4.0, 4 * most)))
    return Lines(lines, *axes, levels, columns=2, named=False, steps=True, area=True, height=190)


def _hill(of: Evidence, name: str, hill: np.ndarray, panel: str) -> Line:
    tops = [max(float(number), 0.5) for number in hill]
    points = list(zip(np.linspace(0, 1, SHOWN + 1).tolist(), [*tops, tops[-1]], strict=True))
    style = style_of(name, of.groups)
    return Line(name, style, points, f"{int(hill.sum()):,}", panel, marked=False)


def _held(of: Evidence, group: str) -> dict[str, np.ndarray]:
    held = of.held[group]
    steps = {name: held.scores[held.positive == own] for name, own in ((group, True), ("not " + group, False))}
    return {name: np.histogram(scores, SHOWN, (0.0, 1.0))[0] for name, scores in steps.items()}


def _all(of: Evidence, group: str) -> dict[str, np.ndarray]:
    by_label = of.corpus.scores[group].documents
    names = [name for name in (*of.groups, "retain", "unlabeled") if name in by_label]
    return {name: by_label[name].reshape(SHOWN, BINS // SHOWN).sum(axis=1) for name in names}
