"""The page of a comparison, its figures and their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from gradmask.files import write_whole
from gradmask.lab.compare.figures import FIGURES
from gradmask.lab.compare.results import Comparison
from gradmask.lab.compare.runs import MAIN
from gradmask.lab.compare.words import markdown, tables_of, verdict
from gradmask.lab.recipe.yamls import dump_yaml
from gradmask.lab.report.parts import data_uri, figure_part, templates, write_figures
from gradmask.lab.report.style import theme


def write_page(found: Comparison, folder: Path) -> Path:
    """Write ``compare.json``, ``tables.md``, ``index.html``, ``figures/*.svg``, ``data/*.csv``; returns the page."""
    drawn = write_figures(FIGURES, found, folder)
    write_whole(folder / "compare.json", found.model_dump_json(indent=1) + "\n")
    write_whole(folder / "tables.md", markdown(found))
    page = folder / "index.html"
    write_whole(page, render(found, drawn))
    return page


def render(found: Comparison, drawn: dict[str, str]) -> str:
    """The page as text; ``drawn``: name of a figure -> ``<svg>`` element."""
    page = templates("gradmask.lab.compare").get_template("compare.html.j2")
    return page.render(
        found=found,
        said=verdict(found),
        tables=[(name, s, tables_of(s)) for name, s in _ordered(found)],
        figures=[figure_part(FIGURES[name], found, name, svg) for name, svg in drawn.items()],
        tuned=[r for r in found.settings[MAIN].rivals.values() if r.tuned],
        recipe=dump_yaml(found.recipe),
        download=Markup(data_uri("application/json", found.model_dump_json(indent=1))),
        themes=[theme(dark=False), theme(dark=True)],
    )


def _ordered(found: Comparison) -> list[tuple[str, Any]]:
    return sorted(found.settings.items(), key=lambda item: item[0] != MAIN)
