"""The trade-off curve: forget loss against retain loss, a point per checkpoint."""

from __future__ import annotations

from matplotlib.figure import Figure

from gradmask.evaluate.results import Results
from gradmask.report.series import role_at, roles_of, series
from gradmask.report.style import color_of, figure, name_of


def tradeoff(results: Results) -> Figure | None:
    """One line per model; training runs from right to left, and higher means better removed."""
    roles = roles_of(results)
    lines = {}
    for name, arm, model in series(results):
        pairs = [(role_at(p, model, roles, "retain"), role_at(p, model, roles, "forget")) for p in arm.curve]
        points = [(x, y) for x, y in pairs if x is not None and y is not None]
        if len(points) > 1:
            lines[name] = points
    if not lines:
        return None
    with figure(7.0, 4.6) as drawn:
        axes = drawn.subplots()
        for name, points in lines.items():
            late = points[max(0, len(points) // 5) :]  # the first points are all alike and would squeeze the rest
            xs, ys = zip(*late, strict=True)
            strong = name.endswith("removed")
            axes.plot(xs, ys, "-o", color=color_of(name), ms=3.5, lw=2.4 if strong else 1.4, label=name_of(name))
            axes.plot(xs[-1], ys[-1], "o", color=color_of(name), ms=9, mec="white", mew=1.5)
        axes.invert_xaxis()
        axes.set_xlabel("retain loss (nats per token, lower is better →)")
        axes.set_ylabel("forget loss (nats per token, higher is better removed)")
        axes.legend(loc="best")
    return drawn
