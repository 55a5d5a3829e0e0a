"""One self-contained HTML page: headline, figures, samples, data, and how to make it again."""

from __future__ import annotations

import base64
import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from gradmask.evaluate.results import Results, Sample, read_results
from gradmask.report.figures import FIGURES, Rows
from gradmask.report.findings import Row, columns, gradient_rows, table
from gradmask.report.series import roles_of, series, shown_loss
from gradmask.report.style import inline as inlined, look_of, name_of, theme, to_svg
from gradmask.report.words import flags, nats, percent, relearning_ratio, verdict

SVG_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'


def write_report(results: Results | Path, folder: Path) -> Path:
    """Write ``index.html``, ``figures/*.svg`` and ``data/*.csv`` into ``folder``; returns the page's path.

    The page needs none of the other files. Figures of an earlier report that now lack their data are deleted.

    Args:
        results: or the path of a ``results.json``.
        folder: is made where it is not there.

    Raises:
        GradmaskError: see `read_results`.
    """
    results = results if isinstance(results, Results) else read_results(results)
    drawn = {name: to_svg(f) for name, kind in FIGURES.items() if (f := kind.draw(results)) is not None}
    for name, kind in FIGURES.items():
        svg, data = folder / "figures" / f"{name}.svg", folder / "data" / f"{name}.csv"
        if name in drawn:
            _write(svg, SVG_HEAD + drawn[name])
            _write(data, as_csv(kind.rows(results)))
        else:
            svg.unlink(missing_ok=True)
            data.unlink(missing_ok=True)
    page = folder / "index.html"
    _write(page, render(results, drawn))
    return page


def render(results: Results, drawn: Mapping[str, str]) -> str:
    """The page as text; ``drawn``: name of a figure -> ``<svg>`` element."""
    environment = Environment(
        loader=PackageLoader("gradmask.report"),
        autoescape=select_autoescape(["html", "j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment.get_template("report.html.j2").render(
        results=results,
        said=verdict(results),
        tiles=tiles(results),
        scale=scale(results),
        columns=[(look_of(name), arm.models[model]) for name, arm, model in series(results)],
        roles=roles_of(results),
        figures=[_figure(results, name, svg) for name, svg in drawn.items()],
        samples=samples(results),
        found=_found(results),
        flags=flags(results),
        shown_loss=shown_loss,
        recipe=yaml.safe_dump(results.recipe, sort_keys=False, allow_unicode=True),
        download=Markup(data_uri("application/json", results.model_dump_json(indent=1))),
        themes=[theme(dark=False), theme(dark=True)],
        nats=nats,
    )


def tiles(results: Results) -> list[tuple[str, str]]:
    """(number, what it is) for a first look."""
    h = results.headline
    found = [
        (percent(h.gap_closed), "of the way from no filter to a perfect filter, after removal"),
        (percent(h.filter_gap_closed), "of the way by filtering with the same labels"),
        (nats(h.retain_difference, sign=True), "nats on what is kept, removed model against no filter"),
        (relearning_ratio(results), "of a perfect filter's steps to relearn, by the strongest attack on each"),
        (nats(h.full_forget_difference, sign=True), "nats on the forget domain, full model against no filter"),
    ]
    return [(value, label) for value, label in found if value != "–"]


def scale(results: Results) -> list[dict[str, Any]]:
    """Where each run stands between no filter (0) and a perfect filter (1); empty where there is no such scale."""
    h = results.headline
    if h.gap_closed is None:
        return []
    marks = [
        ("no_filter", 0.0),
        ("perfect_filter", 1.0),
        ("filter", h.filter_gap_closed),
        ("gradmask/removed", h.gap_closed),
    ]
    return [
        {"look": look_of(name), "percent": percent(share), "at": min(max(share, -0.06), 1.06) * 100}
        for name, share in marks
        if share is not None
    ]


def samples(results: Results) -> list[dict[str, Any]]:
    """One entry per prompt: what the arm with the removable group says, and what the others say."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name, arm in results.arms.items():
        for said in arm.samples:
            entry = {"domain": said.domain, "prompt": said.prompt, "main": [], "others": []}
            entry = found.setdefault((said.domain, said.prompt), entry)
            entry["main" if len(arm.models) > 1 else "others"] += _texts(name, said)
    return list(found.values())


def _texts(arm: str, said: Sample) -> list[tuple[Any, str]]:
    several = len(said.continuations) > 1
    return [(look_of(f"{arm}/{view}" if several else arm), text) for view, text in said.continuations.items()]


def _figure(results: Results, name: str, svg: str) -> dict[str, Any]:
    kind = FIGURES[name]
    return {
        "name": name,
        "title": kind.title,
        "caption": kind.caption,
        "svg": Markup(inlined(svg, name, str(escape(kind.title)))),
        "image": Markup(data_uri("image/svg+xml", SVG_HEAD + svg)),
        "data": Markup(data_uri("text/csv", as_csv(kind.rows(results)))),
    }


def as_csv(rows: Rows) -> str:
    """Rows as CSV text with a head; series by the names that the figures show."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows([{**row, "series": name_of(row["series"])} for row in rows])
    return out.getvalue()


def _found(results: Results) -> dict[str, Any]:
    rows = table(results)
    names = columns(rows)
    return {
        "rows": rows,
        "columns": names,
        "looks": [look_of(name) for name in names],
        "gradients": gradient_rows(results),
        "data": Markup(data_uri("text/csv", as_csv(_cells(rows)))) if rows else "",
    }


def _cells(rows: list[Row]) -> Rows:
    return [
        {"measure": row.title, "series": name, "value": value, "small": small, "meaning": row.meaning}
        for row in rows
        for name, (value, small) in row.cells.items()
    ]


def data_uri(kind: str, text: str) -> str:
    """``text`` as a link that holds it."""
    return f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
