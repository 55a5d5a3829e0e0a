"""Linear probes: what each layer still lets a linear readout find of the forget domain."""

from __future__ import annotations

from typing import Any

from gradmask.lab.measures.results import Results
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.lines import Axis, Level, Line, Lines
from gradmask.lab.report.series import findings_of
from gradmask.lab.report.style import style_of

TITLE = "Linear probes by layer"
CAPTION = (
    "How often a linear readout of a layer tells the next token of held-out forget text, among the commonest ones. Layer 0 is "
    "the embeddings; the dashed line is guessing the commonest. Knowledge that is hidden before the head, not removed, lies "
    "above the perfect filter's line in some layer."
)


def rows(results: Results) -> list[dict[str, Any]]:
    """The accuracy of every layer of every model."""
    return [
        {
            "series": name,
            "layer": layer,
            "accuracy": accuracy,
            "error": findings.probes.error,
            "chance": findings.probes.chance,
        }
        for name, findings in findings_of(results).items()
        if findings.probes is not None
        for layer, accuracy in enumerate(findings.probes.accuracy)
    ]


def draw(results: Results) -> Drawing | None:
    """A line per model."""
    probed = {name: f.probes for name, f in findings_of(results).items() if f.probes is not None}
    if not probed:
        return None
    lines = [
        Line(name, style_of(name), list(enumerate(probes.accuracy)), f"{100 * probes.accuracy[-1]:.0f} %")
        for name, probes in probed.items()
    ]
    chance = Level(y=next(iter(probed.values())).chance, text="guessing")
    return Lines(lines, Axis("layer", "d"), Axis("next tokens told", ".0%"), [chance])
