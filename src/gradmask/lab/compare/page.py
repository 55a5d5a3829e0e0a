"""The page of a comparison, its figures and their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from gradmask.files import write_whole
from gradmask.lab.compare.figures import FIGURES
from gradmask.lab.compare.opening import opening
from gradmask.lab.compare.results import Comparison
from gradmask.lab.compare.runs import MAIN
from gradmask.lab.compare.words import Table, markdown, tables_of
from gradmask.lab.recipe.yamls import dump_yaml
from gradmask.lab.report.drawn import Drawn, figure_part, switches, write_figures
from gradmask.lab.report.html import SUMMARY, one_each
from gradmask.lab.report.parts import data_uri, templates
from gradmask.lab.report.preview import NAME as PREVIEW, preview
from gradmask.lab.report.style import style_of


def write_page(found: Comparison, folder: Path) -> Path:
    """Write ``compare.json``, ``tables.md``, ``index.html``, ``preview.png``, ``figures/`` and ``data/``; returns the page."""
    drawn = write_figures(FIGURES, found, folder)
    write_whole(folder / "compare.json", found.model_dump_json(indent=1) + "\n")
    write_whole(folder / "tables.md", markdown(found))
    picture = drawn.get(SUMMARY)
    write_whole(folder / PREVIEW, preview(opening(found), picture.drawing if picture else None))
    page = folder / "index.html"
    write_whole(page, render(found, drawn))
    return page


def render(found: Comparison, drawn: Mapping[str, Drawn]) -> str:
    """The page as text; ``drawn``: name of a figure -> what it shows."""
    page = templates("gradmask.lab.compare").get_template("compare.html.j2")
    figures = [figure_part(FIGURES[name], found, name, figure) for name, figure in drawn.items()]
    return page.render(
        found=found,
        opening=opening(found),
        picture=next((f for f in figures if f["name"] == SUMMARY), None),
        figures=[f for f in figures if f["name"] != SUMMARY],
        switches=switches(figures),
        preview=PREVIEW,
        tables=[(name, s, [_ours_first(t) for t in tables_of(s)]) for name, s in _ordered(found)],
        samples=_samples(found),
        tuned=[r for r in found.settings[MAIN].rivals.values() if r.tuned],
        recipe=dump_yaml(found.recipe),
        download=Markup(data_uri("application/json", found.model_dump_json())),
    )


def _samples(found: Comparison) -> list[dict[str, Any]]:
    """What the product's models of the first seed write; see `gradmask.lab.report.html.samples`."""
    return [
        {
            "domain": sample.domain,
            "prompt": sample.prompt,
            "main": [(style_of(f"gradmask/{view}"), text) for view, text in sample.continuations.items()],
            "others": [],
        }
        for sample in one_each([{"domain": s.domain, "of": s} for s in found.samples])
        for sample in [sample["of"]]
    ]


def _ours_first(table: Table) -> Table:
    """The rows of the product before the others."""
    columns, rows = table
    return columns, sorted(rows, key=lambda row: not row[0].startswith("gradmask"))


def _ordered(found: Comparison) -> list[tuple[str, Any]]:
    return sorted(found.settings.items(), key=lambda item: item[0] != MAIN)
