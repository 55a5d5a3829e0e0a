"""One self-contained HTML page: headline, figures, samples, data, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from gradmask.files import write_whole
from gradmask.lab.judge.facts import facts_of
from gradmask.lab.measures.measure import Row
from gradmask.lab.measures.numbers import as_written, nats, percent
from gradmask.lab.measures.results import Results, Sample, read_results
from gradmask.lab.recipe.yamls import dump_yaml
from gradmask.lab.report.figures import FIGURES
from gradmask.lab.report.findings import columns, gradient_rows, table
from gradmask.lab.report.parts import (
    FigureKind,
    Rows,
    as_csv,
    data_uri,
    figure_part,
    templates,
    write_figures,
)
from gradmask.lab.report.relearning import relearning_ratio
from gradmask.lab.report.series import roles_of, series, shown_loss
from gradmask.lab.report.style import name_of, style_of, theme
from gradmask.lab.report.words import flags, verdict


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
    drawn = write_figures(NAMED, results, folder)
    page = folder / "index.html"
    write_whole(page, render(results, drawn))
    return page


def render(results: Results, drawn: Mapping[str, str]) -> str:
    """The page as text; ``drawn``: name of a figure -> ``<svg>`` element."""
    environment = templates("gradmask.lab.report")
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["as_written"] = as_written
    return environment.get_template("report.html.j2").render(
        results=results,
        sentences=verdict(results),
        tiles=tiles(results),
        scale=scale(results),
        columns=[(style_of(name), arm.models[model]) for name, arm, model in series(results)],
        roles=roles_of(results),
        figures=[figure_part(NAMED[name], results, name, svg) for name, svg in drawn.items()],
        samples=samples(results),
        findings=_findings(results),
        flags=flags(results),
        shown_loss=shown_loss,
        recipe=dump_yaml(results.recipe),
        download=Markup(data_uri("application/json", results.model_dump_json(indent=1))),
        themes=[theme(dark=False), theme(dark=True)],
        nats=nats,
    )


def tiles(results: Results) -> list[tuple[str, str]]:
    """(number, what it is) for a first look."""
    h = results.headline
    tiles = [
        _removal(h.gap_closed, facts_of(results).too_far),
        (
            percent(h.gap_closed_to_filter),
            "of the way from no filter to the filter with the same labels, after removal",
        ),
        (percent(h.filter_gap_closed), "of the way by filtering with the same labels"),
        (nats(h.retain_difference, sign=True), "nats on what is kept, removed model against no filter"),
        (relearning_ratio(results), "of a perfect filter's steps to relearn, by the strongest attack on each"),
        (nats(h.full_forget_difference, sign=True), "nats on the forget domain, full model against no filter"),
    ]
    return [(value, label) for value, label in tiles if value != "–"]


def _removal(closed: float | None, too_far: bool) -> tuple[str, str]:
    """How far removal went. Beyond a model that never saw the text, it is damage and shown as that."""
    if closed is not None and too_far:
        return f"{percent(closed - 1)} too far", "further from the forget domain than a model that never saw it: damage"
    shown = None if closed is None else min(closed, 1.0)
    return percent(shown), "of the way from no filter to a perfect filter, after removal"


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
        {"style": style_of(name), "percent": percent(share), "at": min(max(share, -0.06), 1.06) * 100}
        for name, share in marks
        if share is not None
    ]


def samples(results: Results) -> list[dict[str, Any]]:
    """One entry per prompt: what the arm with the removable group writes, and what the others write."""
    prompts: dict[tuple[str, str], dict[str, Any]] = {}
    for name, arm in results.arms.items():
        for sample in arm.samples:
            entry = {"domain": sample.domain, "prompt": sample.prompt, "main": [], "others": []}
            entry = prompts.setdefault((sample.domain, sample.prompt), entry)
            entry["main" if len(arm.models) > 1 else "others"] += _texts(name, sample)
    return list(prompts.values())


def _texts(arm: str, sample: Sample) -> list[tuple[Any, str]]:
    several = len(sample.continuations) > 1
    return [(style_of(f"{arm}/{view}" if several else arm), text) for view, text in sample.continuations.items()]


def _named(kind: FigureKind[Results]) -> FigureKind[Results]:
    return replace(kind, rows=lambda results: _by_name(kind.rows(results)))


def _by_name(rows: Rows) -> Rows:
    """Series by the names that the figures show."""
    return [{**row, "series": name_of(row["series"])} for row in rows]


NAMED = {name: _named(kind) for name, kind in FIGURES.items()}
"""The figures, their numbers by the names that they show."""


def _findings(results: Results) -> dict[str, Any]:
    rows = table(results)
    names = columns(rows)
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
