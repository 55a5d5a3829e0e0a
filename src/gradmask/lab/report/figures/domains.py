"""Loss by domain, before and after removal, beside the baselines."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradmask.lab.measures.results import ArmResult, DomainResult, Results
from gradmask.lab.report.series import roles_of, series, shown_error, shown_loss
from gradmask.lab.report.style import LINE, PAPER, color_of, figure, name_of, short, style_of

TITLE = "Loss by domain, before and after removal"
CAPTION = (
    "Far right on the forget domain is what removal is for; far left on what is kept is better. An arrow is the removal: "
    "from the full model to the same model without its group. A line through a dot spans two standard errors each way "
    "over held-out sequences (not over training runs)."
)
PANELS = 4
"""Up to this many domains have a panel each; more have a row each."""

Lines = list[tuple[str, ArmResult, str]]


def rows(results: Results) -> list[dict[str, Any]]:
    """Every loss of every model on every domain."""
    return [
        {
            "series": name,
            "domain": domain,
            "role": role,
            **arm.models[model][domain].model_dump(exclude={"role", "histogram"}),
        }
        for name, arm, model in series(results)
        for domain, role in roles_of(results).items()
        if domain in arm.models[model]
    ]


def draw(results: Results) -> Figure | None:
    """Panels of few domains, or rows of many."""
    roles, lines = roles_of(results), series(results)
    if not lines or not roles:
        return None
    return _panels(roles, lines) if len(roles) <= PANELS else _rows(roles, lines)


def _panels(roles: dict[str, str], lines: Lines) -> Figure:
    """A panel per domain, a row per model; one scale for all."""
    with figure(8.6, 0.95 + 0.46 * len(lines)) as drawn:
        panels = drawn.subplots(1, len(roles), sharey=True, sharex=True, squeeze=False)[0]
        for panel, (domain, role) in zip(panels, roles.items(), strict=True):
            dots = {}
            for row, (name, arm, model) in enumerate(lines):
                if domain in arm.models[model]:
                    dots[name] = (_dot(panel, row, name, arm.models[model][domain], 8), row)
                    _value(panel, arm.models[model][domain], row, left=name.endswith("/full"))
            for name, end in dots.items():
                if name.endswith("/removed") and (start := dots.get(name.replace("/removed", "/full"))):
                    _arrow(panel, start, end)
            panel.set_title(f"{short(domain)} ({role})")
            panel.set_xlabel("loss, nats per token")
            panel.grid(axis="y", visible=False)
        panels[0].margins(x=0.16)
        panels[0].set_yticks(range(len(lines)), [name_of(name) for name, _, _ in lines])
        panels[0].set_ylim(len(lines) - 0.5, -0.7)
    return drawn


def _rows(roles: dict[str, str], lines: Lines) -> Figure:
    """A row per domain, a dot per model."""
    with figure(8.6, 1.2 + 0.3 * len(roles)) as drawn:
        axes = drawn.subplots()
        for row, domain in enumerate(roles):
            axes.axhline(row, color=LINE, lw=0.8, zorder=1)
            for k, (name, arm, model) in enumerate(lines):
                if domain in arm.models[model]:
                    _dot(axes, row + 0.1 * (k - (len(lines) - 1) / 2), name, arm.models[model][domain], 5.5)
        axes.set_yticks(range(len(roles)), [f"{short(d)} ({r})" for d, r in roles.items()])
        axes.set_ylim(len(roles) - 0.4, -0.6)
        axes.set_xlabel("loss, nats per token")
        axes.grid(axis="y", visible=False)
        handles = [
            axes.plot([], [], style_of(name).marker, color=color_of(name), label=name_of(name))[0]
            for name, _, _ in lines
        ]
        drawn.legend(handles=handles, loc="outside upper left", ncols=3, fontsize=9, frameon=False, handletextpad=0.2)
    return drawn


def _dot(axes: Axes, row: float, name: str, result: DomainResult, size: float) -> float:
    style, value, reach = style_of(name), shown_loss(result), 2 * shown_error(result)
    axes.plot([value - reach, value + reach], [row, row], color=style.light, lw=1.6)
    axes.plot(value, row, style.marker, color=style.light, ms=size, mec=PAPER, mew=0.8, zorder=3)
    return value


def _value(axes: Axes, result: DomainResult, row: float, left: bool) -> None:
    """The number beside its dot, on the left where an arrow leaves to the right."""
    value, side = shown_loss(result), -1 if left else 1
    axes.annotate(
        f"{value:.2f}",
        (value + side * 2 * shown_error(result), row),
        (side * 8, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        fontsize=8.5,
    )


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "->", "color": color_of("gradmask/removed"), "lw": 1.1, "shrinkA": 6, "shrinkB": 7}
    axes.annotate("", end, start, arrowprops={**style, "connectionstyle": "arc3,rad=-0.12"}, zorder=2)
