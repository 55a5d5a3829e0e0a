"""Loss by domain, before and after removal, beside the baselines."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from gradmask.evaluate.results import Results
from gradmask.report.series import roles_of, series, shown_loss
from gradmask.report.style import color_of, figure, name_of


def domains(results: Results) -> Figure | None:
    """One row per model, one panel per domain; a line spans two standard errors each way."""
    roles, lines = roles_of(results), list(series(results))
    if not lines or not roles:
        return None
    panels = list(roles)[:6]
    with figure(1.9 + 2.0 * len(panels), 0.9 + 0.42 * len(lines)) as drawn:
        axes = drawn.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for panel, domain in zip(axes, panels, strict=True):
            for row, (name, arm, model) in enumerate(lines):
                result = arm.models[model].get(domain)
                if result is None:
                    continue
                value, error = shown_loss(result), 0.0 if math.isnan(result.error) else 2 * result.error
                panel.errorbar(value, row, xerr=error, fmt="o", color=color_of(name), ms=7, capsize=0, lw=1.6)
                panel.annotate(f"{value:.2f}", (value, row), (0, 7), textcoords="offset points", ha="center", fontsize=8)
            panel.set_title(f"{domain} ({roles[domain]})", fontsize=10)
            panel.margins(x=0.25, y=0.18)
            panel.set_xlabel("loss (nats)")
        axes[0].set_yticks(range(len(lines)), [name_of(name) for name, _, _ in lines])
        axes[0].invert_yaxis()
    return drawn
