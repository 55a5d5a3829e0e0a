"""Linear probes: what each layer still lets a linear readout find of the forget domain."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from gradmask.lab.measures.results import Results
from gradmask.lab.report.endings import name_ends
from gradmask.lab.report.series import findings_of
from gradmask.lab.report.style import SOFT, figure, style_of

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


def draw(results: Results) -> Figure | None:
    """A line per model."""
    probed = {name: f.probes for name, f in findings_of(results).items() if f.probes is not None}
    if not probed:
        return None
    with figure(8.6, 3.8) as drawn:
        axes = drawn.subplots()
        for name, probes in probed.items():
            style, layers = style_of(name), range(len(probes.accuracy))
            axes.plot(layers, [100 * a for a in probes.accuracy], style.marker + "-", color=style.light, ms=4, lw=1.6)
        axes.axhline(100 * next(iter(probed.values())).chance, color=SOFT, lw=1, ls="--")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
        axes.set_xlabel("layer")
        axes.set_ylabel("next tokens told")
        axes.margins(x=0.02, y=0.1)
        axes.set_ylim(axes.get_ylim())
        ends = [(name, len(p.accuracy) - 1.0, 100 * p.accuracy[-1]) for name, p in probed.items()]
        name_ends(axes, ends, 3.0, digits=0)
    return drawn
