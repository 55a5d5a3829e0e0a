"""How the loss is spread over the tokens of the forget domain."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from gradmask.evaluate.results import Results
from gradmask.report.series import roles_of, series
from gradmask.report.style import color_of, figure, name_of


def distribution(results: Results) -> Figure | None:
    """The share of forget tokens whose loss is at most x, one line per model."""
    forget = [domain for domain, role in roles_of(results).items() if role == "forget"]
    edges = np.array(results.histogram_edges)
    if not forget or len(edges) < 2:
        return None
    with figure(7.0, 3.8) as drawn:
        axes = drawn.subplots()
        for name, arm, model in series(results):
            shares = [arm.models[model][d].histogram for d in forget if d in arm.models[model]]
            shares = [s for s in shares if s]
            if shares:
                cumulative = np.concatenate([[0.0], np.cumsum(np.mean(shares, axis=0))])
                strong = name.endswith("removed")
                axes.plot(edges, cumulative, color=color_of(name), lw=2.4 if strong else 1.4, label=name_of(name))
        axes.set_xlabel("loss of a forget token (nats)")
        axes.set_ylabel("share of tokens at or below")
        axes.set_ylim(0, 1.02)
        axes.legend(loc="lower right")
    return drawn
