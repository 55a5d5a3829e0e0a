"""One self-contained HTML page: the first screen, samples, figures, data, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from gradmask.files import write_whole
from gradmask.lab.measures.measure import Row
from gradmask.lab.measures.numbers import as_written, nats
from gradmask.lab.measures.results import Results, Sample, read_results
from gradmask.lab.recipe.yamls import dump_yaml
from gradmask.lab.report import summary
from gradmask.lab.report.drawn import Drawn, FigureKind, figure_part, switches, write_figures
from gradmask.lab.report.figures import FIGURES
from gradmask.lab.report.findings import columns, gradient_rows, table
from gradmask.lab.report.opening import opening
from gradmask.lab.report.parts import Rows, as_csv, data_uri, templates
from gradmask.lab.report.preview import NAME as PREVIEW, preview
from gradmask.lab.report.series import roles_of, series, shown_loss
from gradmask.lab.report.style import name_of, style_of


def write_report(results: Results | Path, folder: Path) -> Path:
    """Write ``index.html``, ``preview.png``, ``figures/*.svg`` and ``data/*.csv`` into ``folder``; returns the page's path.

    The page needs none of the other files. Figures of an earlier report that now lack their data are deleted.

    Args:
        results: or the path of a ``results.json``.
        folder: is made where it is not there.

    Raises:
        GradmaskError: see `read_results`.
    """
    results = results if isinstance(results, Results) else read_results(results)
    drawn = write_figures(NAMED, results, folder)
    picture = drawn.get(SUMMARY)
    write_whole(folder / PREVIEW, preview(opening(results), picture.drawing if picture else None))
    page = folder / "index.html"
    write_whole(page, render(results, drawn))
    return page


def render(results: Results, drawn: Mapping[str, Drawn]) -> str:
    """The page as text; ``drawn``: name of a figure -> what it shows."""
    figures = [figure_part(NAMED[name], results, name, figure) for name, figure in drawn.items()]
    environment = templates("gradmask.lab.report")
    environment.filters["as_written"] = as_written
    return environment.get_template("report.html.j2").render(
        results=results,
        opening=opening(results),
        picture=next((f for f in figures if f["name"] == SUMMARY), None),
        figures=[f for f in figures if f["name"] != SUMMARY],
        switches=switches(figures),
        preview=PREVIEW,
        columns=[(style_of(name), domains) for name, domains in _columns(results)],
        roles=roles_of(results),
        samples=samples(results),
        findings=_findings(results),
        shown_loss=shown_loss,
        recipe=dump_yaml(results.recipe),
        download=Markup(data_uri("application/json", results.model_dump_json())),
        nats=nats,
    )


def _columns(results: Results) -> list[tuple[str, Any]]:
    return summary.ours_first((name, arm.models[model]) for name, arm, model in series(results))


def samples(results: Results) -> list[dict[str, Any]]:
    """One entry per prompt, of the forget domains first: what the arm with the removable group writes, and what others write."""
    prompts: dict[tuple[str, str], dict[str, Any]] = {}
    for name, arm in results.arms.items():
        for sample in arm.samples:
            entry = {"domain": sample.domain, "prompt": sample.prompt, "main": [], "others": []}
            entry = prompts.setdefault((sample.domain, sample.prompt), entry)
            entry["main" if len(arm.models) > 1 else "others"] += _texts(name, sample)
    order = list(roles_of(results))
    found = sorted(prompts.values(), key=lambda e: order.index(e["domain"]) if e["domain"] in order else len(order))
    return one_each(found)


def one_each(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One prompt of every domain, then the others."""
    first = {entry["domain"]: entry for entry in reversed(entries)}
    head = [entry for entry in entries if first[entry["domain"]] is entry]
    return [*head, *(entry for entry in entries if first[entry["domain"]] is not entry)]


def _texts(arm: str, sample: Sample) -> list[tuple[Any, str]]:
    several = len(sample.continuations) > 1
    return [(style_of(f"{arm}/{view}" if several else arm), text) for view, text in sample.continuations.items()]


def _named(kind: FigureKind[Results]) -> FigureKind[Results]:
    return replace(kind, rows=lambda results: _by_name(kind.rows(results)))


def _by_name(rows: Rows) -> Rows:
    """Series by the names that the figures show."""
    return [{**row, "series": name_of(row["series"])} for row in rows]


SUMMARY = "summary"
NAMED = {name: _named(kind) for name, kind in FIGURES.items()}
"""The figures, their numbers by the names that they show."""


def _findings(results: Results) -> dict[str, Any]:
    rows = table(results)
    names = [name for name, _ in summary.ours_first((name, name) for name in columns(rows))]
    return {
        "rows": rows,
        "columns": names,
        "styles": [style_of(name) for name in names],
        "gradients": gradient_rows(results),
        "data": Markup(data_uri("text/csv", as_csv(_by_name(_cells(rows))))) if rows else "",
    }


def _cells(rows: list[Row]) -> Rows:
    return [
        {"measure": row.title, "series": name, "value": value, "small": small, "meaning": row.meaning}
        for row in rows
        for name, (value, small) in row.cells.items()
    ]
