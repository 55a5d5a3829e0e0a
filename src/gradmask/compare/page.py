"""The page of a comparison, its figures and their numbers."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

import yaml
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from gradmask.compare.figures import FIGURES, Rows
from gradmask.compare.results import Comparison
from gradmask.compare.units import MAIN
from gradmask.compare.words import COLUMNS, cells, markdown, ordered, verdict
from gradmask.report.html import SVG_HEAD, data_uri
from gradmask.report.style import inline, theme, to_svg


def write_page(found: Comparison, folder: Path) -> Path:
    """Write ``compare.json``, ``tables.md``, ``index.html``, ``figures/*.svg``, ``data/*.csv``; returns the page."""
    drawn = {name: to_svg(f) for name, kind in FIGURES.items() if (f := kind.draw(found)) is not None}
    for name in FIGURES:
        svg, data = folder / "figures" / f"{name}.svg", folder / "data" / f"{name}.csv"
        if name in drawn:
            _write(svg, SVG_HEAD + drawn[name])
            _write(data, as_csv(FIGURES[name].rows(found)))
        else:
            svg.unlink(missing_ok=True)
            data.unlink(missing_ok=True)
    _write(folder / "compare.json", found.model_dump_json(indent=1) + "\n")
    _write(folder / "tables.md", markdown(found))
    page = folder / "index.html"
    _write(page, render(found, drawn))
    return page


def render(found: Comparison, drawn: dict[str, str]) -> str:
    """The page as text; ``drawn``: name of a figure -> ``<svg>`` element."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("gradmask.compare"), PackageLoader("gradmask.report")]),
        autoescape=select_autoescape(["html", "j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("compare.html.j2").render(
        found=found,
        said=verdict(found),
        columns=COLUMNS,
        tables=[(name, s, [(r.title, cells(r)) for r in ordered(s)]) for name, s in _ordered(found)],
        figures=[_figure(found, name, svg) for name, svg in drawn.items()],
        tuned=[r for r in found.settings[MAIN].rivals.values() if r.tuned],
        recipe=yaml.safe_dump(found.recipe, sort_keys=False, allow_unicode=True),
        download=Markup(data_uri("application/json", found.model_dump_json(indent=1))),
        themes=[theme(dark=False), theme(dark=True)],
    )


def _ordered(found: Comparison) -> list[tuple[str, Any]]:
    return sorted(found.settings.items(), key=lambda item: item[0] != MAIN)


def _figure(found: Comparison, name: str, svg: str) -> dict[str, Any]:
    kind = FIGURES[name]
    return {
        "name": name,
        "title": kind.title,
        "caption": kind.caption,
        "svg": Markup(inline(svg, name, str(escape(kind.title)))),
        "image": Markup(data_uri("image/svg+xml", SVG_HEAD + svg)),
        "data": Markup(data_uri("text/csv", as_csv(kind.rows(found)))),
    }


def as_csv(rows: Rows) -> str:
    """Rows as CSV text with a head."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
