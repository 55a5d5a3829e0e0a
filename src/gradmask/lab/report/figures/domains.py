"""Loss by domain, before and after removal, beside the baselines."""

from __future__ import annotations

from typing import Any

from gradmask.lab.measures.results import DomainResult, Results
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.charts.dots import Dot, Dots
from gradmask.lab.report.series import roles_of, series, shown_error, shown_loss
from gradmask.lab.report.style import name_of, short, style_of

TITLE = "Loss by domain, before and after removal"
CAPTION = (
    "Far right on the forget domain is what removal is for; far left on what is kept is better. The dotted line is the removal: "
    "from the full model to the same model without its group. A line through a dot spans two standard errors each way "
    "over held-out sequences (not over training runs)."
)
PANELS = 4
"""Up to this many domains have a panel each; more have a row each."""


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


def draw(results: Results) -> Drawing | None:
    """A panel per domain and a row per model; a row per domain where there are many."""
    return _drawing(results, plain=False)


def plain(results: Results) -> Drawing | None:
    """The same of losses as the models give them; None where those are the only ones."""
    return _drawing(results, plain=True) if results.headline.calibrated else None


def _drawing(results: Results, plain: bool) -> Drawing | None:
    roles = roles_of(results)
    few = len(roles) <= PANELS
    dots = [
        _dot(name, arm.models[model][domain], f"{short(domain)} ({role})", few, plain)
        for domain, role in roles.items()
        for name, arm, model in series(results)
        if domain in arm.models[model]
    ]
    names = {dot.series for dot in dots}
    links = [(name.replace("/removed", "/full"), name) for name in names if name.endswith("/removed")]
    axis = "loss as the model gives it, nats per token" if plain else "loss, nats per token"
    return Dots(dots, axis, links=sorted(links) if few else (), shared_rows=not few) if dots else None


def _dot(name: str, result: DomainResult, domain: str, few: bool, plain: bool) -> Dot:
    value = result.loss if plain else shown_loss(result)
    reach = 2 * ((result.error or 0.0) if plain else shown_error(result))
    panel, row = (domain, name_of(name)) if few else ("", domain)
    before = name.endswith("/full")  # the line to the removed model leaves to the right
    return Dot(name, style_of(name), panel, row, value, f"{value:.2f}", value - reach, value + reach, before=before)
