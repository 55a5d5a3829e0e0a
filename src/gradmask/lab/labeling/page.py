"""The page ``labels.html``: one self-contained file, from an output folder of ``gradmask label`` alone."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from gradmask.data import label
from gradmask.files import write_whole
from gradmask.lab.labeling.curves import Cost, costs
from gradmask.lab.labeling.evidence import Evidence, read_evidence
from gradmask.lab.labeling.figures import FIGURES
from gradmask.lab.labeling.looks import color_of, count, excerpt, interval
from gradmask.lab.labeling.sentences import lead, remarks, shares, skipped, tiles, verdict
from gradmask.lab.report.charts.canvas import Drawing
from gradmask.lab.report.drawn import FigureKind, drawn, figure_part
from gradmask.lab.report.parts import Rows, as_csv, data_uri, templates

NAME = "labels.html"
WORDS = 20
"""Terms that are shown for and against each group."""
SUSPICIOUS = 20
"""Given labels that are shown."""
DUPLICATES = 12
"""Pairs of near-duplicates that are shown."""


def write_labels_page(folder: Path) -> Path:
    """Write ``labels.html`` into an output folder of ``gradmask label``; returns its path.

    Raises:
        GradmaskError: see `read_evidence`.
    """
    page = folder / NAME
    write_whole(page, render(read_evidence(folder)))
    return page


def render(of: Evidence) -> str:
    """The page as text."""
    environment = templates("gradmask.lab.labeling")
    environment.filters.update(excerpt=excerpt, count=count, interval=interval)
    return environment.get_template("labels.html.j2").render(
        name=of.folder.resolve().name,
        verdict=verdict(of),
        lead=lead(of),
        remarks=remarks(of),
        skipped=skipped(of),
        tiles=tiles(of),
        shares=shares(of),
        figures=[figure_part(kind, of, name, drawn(_drawing(kind, of))) for name, kind in FIGURES.items()],
        costs={group: _costs(of, group) for group in of.groups},
        costs_data=Markup(data_uri("text/csv", as_csv(cost_rows(of)))),
        words={group: _words(of, group) for group in of.groups},
        uncertain={group: of.corpus.uncertain[group] for group in of.groups},
        suspicious=of.suspicious[:SUSPICIOUS],
        suspicious_count=len(of.suspicious),
        duplicates=label.alike_across_labels(of.folder / "shards", of.groups)[:DUPLICATES],
        labeler=of.labeler,
        examples=of.examples,
        color=lambda name: color_of(name, of.groups).variable,
    )


def _drawing(kind: FigureKind[Evidence], of: Evidence) -> Drawing:
    """There always is one."""
    drawing = kind.draw(of)
    assert drawing is not None
    return drawing


def _costs(of: Evidence, group: str) -> list[Cost]:
    return costs(of.held[group], of.corpus.scores[group], of.labeler.thresholds[group].forget_above)


def cost_rows(of: Evidence) -> Rows:
    """What each threshold costs, as rows of a CSV file."""
    return [
        {
            "group": group,
            "forget_above": cost.point.above,
            "chosen": cost.chosen,
            "precision": cost.point.precision,
            "precision_low": cost.precision_interval[0],
            "precision_high": cost.precision_interval[1],
            "recall": cost.point.recall,
            "recall_low": cost.recall_interval[0],
            "recall_high": cost.recall_interval[1],
            "documents": cost.documents,
            "tokens": cost.tokens,
            "retain_tokens": cost.retain_tokens,
            "missed_tokens": cost.missed_tokens,
        }
        for group in of.groups
        for cost in _costs(of, group)
    ]


def _words(of: Evidence, group: str) -> list[tuple[str, list[tuple[str, float, float]]]]:
    """(Heading, (term, weight, length of its bar in percent)), for and against."""
    sides = label.top_words(of.labeler, group, WORDS)
    most = max((abs(weight) for side in sides for _, weight in side), default=1.0)
    headings = (f"for {group}", f"against {group}")
    return [(h, [(t, w, 100 * abs(w) / most) for t, w in side]) for h, side in zip(headings, sides, strict=True)]
