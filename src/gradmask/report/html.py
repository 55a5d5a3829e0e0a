"""One self-contained HTML page: headline, figures, samples, data, and how to make it again."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from matplotlib.figure import Figure

from gradmask.evaluate.results import Results
from gradmask.report import figures
from gradmask.report.series import roles_of, series
from gradmask.report.style import color_of, name_of, to_svg
from gradmask.report.words import nats, percent, verdict

FIGURES: dict[str, tuple[Callable[[Results], Figure | None], str, str]] = {
    "domains": (
        figures.domains,
        "Loss by domain, before and after removal",
        "Each row is a model. On the forget domain, far right is what removal is for; on what is kept, far left is better. "
        "The line through a dot spans two standard errors each way.",
    ),
    "tradeoff": (
        figures.tradeoff,
        "Trade-off while training",
        "Each dot is a moment of training, the large one its end (held-out loss, not calibrated). Up: the forget domain is "
        "less known. Right: what is kept is known better. The upper right corner is the aim.",
    ),
    "distribution": (
        figures.distribution,
        "Loss of single tokens of the forget domain",
        "The share of tokens whose loss is at most the value below. A line further to the right knows less; one that only "
        "has a long tail has merely lost a few tokens.",
    ),
    "curves": (figures.curves, "Held-out loss while training", "Not calibrated."),
}


def write_report(results: Results, folder: Path) -> Path:
    """Write ``index.html``, the figures as SVG and the data as JSON into ``folder``; returns the page's path."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    drawn = {name: to_svg(f) for name, (draw, _, _) in FIGURES.items() if (f := draw(results)) is not None}
    for name, svg in drawn.items():
        _write(folder / "figures" / f"{name}.svg", '<?xml version="1.0" encoding="utf-8"?>\n' + svg)
    page = folder / "index.html"
    _write(page, render(results, drawn))
    return page


def render(results: Results, drawn: Mapping[str, str]) -> str:
    """The page as text."""
    environment = Environment(
        loader=PackageLoader("gradmask.report"),
        autoescape=select_autoescape(["html", "j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    data = results.model_dump_json().encode()
    return environment.get_template("report.html.j2").render(
        results=results,
        sentences=verdict(results),
        tiles=_tiles(results),
        table=_table(results),
        roles=roles_of(results),
        figures=[
            {"name": name, "title": title, "caption": caption, "svg": Markup(drawn[name])}
            for name, (_, title, caption) in FIGURES.items()
            if name in drawn
        ],
        samples=[(name, arm) for name, arm in results.arms.items() if arm.samples],
        recipe=yaml.safe_dump(results.recipe, sort_keys=False, allow_unicode=True),
        data_uri=Markup("data:application/json;base64," + base64.b64encode(data).decode()),
        nats=nats,
        name_of=name_of,
    )


def _tiles(results: Results) -> list[tuple[str, str]]:
    h = results.headline
    found = [
        ("of the gap to a perfect filter closed", percent(h.gap_closed)),
        ("closed by a filter with the same labels", percent(h.filter_gap_closed)),
        ("nats on what is kept, against no filter", nats(h.retain_difference, sign=True)),
        ("nats on the forget domain before removal, against no filter", nats(h.full_forget_difference, sign=True)),
    ]
    return [(label, value) for label, value in found if value != "–"]


def _table(results: Results) -> list[dict[str, Any]]:
    return [
        {"name": name_of(name), "color": color_of(name), "domains": arm.models[model]}
        for name, arm, model in series(results)
    ]


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
