"""Held-out loss while training."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradmask.evaluate.results import Results
from gradmask.report.series import role_at, roles_of, series
from gradmask.report.style import color_of, figure, name_of


def curves(results: Results) -> Figure | None:
    """Forget and retain loss against training tokens, one line per model."""
    roles = roles_of(results)
    if not any(len(arm.curve) > 1 for arm in results.arms.values()):
        return None
    with figure(7.6, 3.6) as drawn:
        panels = drawn.subplots(1, 2)
        for panel, role in zip(panels, ("forget", "retain"), strict=True):
            for name, arm, model in series(results):
                found = [(p.tokens / 1e6, role_at(p, model, roles, role)) for p in arm.curve]
                points = [(x, y) for x, y in found if y is not None]
                if len(points) > 1:
                    xs, ys = zip(*points, strict=True)
                    strong = name.endswith("removed")
                    panel.plot(xs, ys, color=color_of(name), lw=2.2 if strong else 1.4, label=name_of(name))
            panel.set_title(f"{role} loss (nats per token)", fontsize=10)
            panel.set_xlabel("training tokens (millions)")
        panels[1].legend(fontsize=8)
    return drawn
