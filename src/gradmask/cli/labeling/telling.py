"""What ``gradmask label`` prints."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gradmask.cli.labeling.teaching import Taught
from gradmask.cli.tables import table_of
from gradmask.data import label

KEY = "found: labeled with the group, of what is the group's; lost: labeled retain of it; precision: as frequent as in the corpus"
PAGE = "labels.html"
SUSPICIOUS = 5
"""Given labels that are listed."""
Interval = tuple[float, float]


def tell_learned(taught: Taught, console: Console) -> None:
    """What was learned from, and how good it is on held-out examples."""
    if taught.examples:
        console.print(_examples(taught))
    console.print(_held_out(taught.labeler))
    console.print(KEY, markup=False, highlight=False)
    for note in [*taught.notes, *taught.labeler.notes, *_unmet(taught.labeler)]:
        console.print(f"Note: {note}", markup=False, highlight=False, style="yellow")
    _tell_suspicious(taught.labeler.suspicious, console)


def tell_labeled(labeled: Any, console: Console) -> None:
    """The three-way split, and what was skipped."""
    totals = labeled.totals
    documents, size = totals.documents.total(), totals.bytes.total()
    table = table_of("Labels", "label", numbers=("documents", "share", "MB of text", "share"))
    for name in sorted(totals.documents, key=lambda name: (name == "unlabeled", name == "retain", name)):
        n, own = totals.documents[name], totals.bytes[name]
        table.add_row(name, f"{n:,}", f"{n / documents:.1%}", f"{own / 1e6:,.2f}", f"{own / size:.1%}")
    table.add_row("total", f"{documents:,}", "", f"{size / 1e6:,.2f}", "")
    console.print(table)
    if totals.spans:
        spans = ", ".join(f"{n:,} {name}" for name, n in sorted(totals.spans.items()))
        console.print(f"Passages in unlabeled documents that are sure: {spans}", highlight=False, markup=False)
    listed = ", ".join(f"{n:,} {reason}" for reason, n in labeled.skipped.items())
    console.print(
        f"{labeled.rows:,} rows read = {labeled.documents:,} documents labeled + {sum(labeled.skipped.values()):,} skipped"
        + (f" ({listed})" if listed else ""),
        markup=False,
        highlight=False,
    )


def source_line(folder: Path, spans: bool, truth: bool) -> str:
    """The line of a recipe that reads the shards."""
    more = ", spans_field: spans" * spans + ", truth_field: truth" * truth
    return f"{{kind: parquet, path: {folder / 'shards'}/*.parquet, label_field: label{more}}}"


def tell_next(folder: Path, spans: bool, truth: bool, console: Console) -> None:
    """What to do with the labels."""
    lines = ["", "In a recipe:", "  data:", "    sources:", f"      - {source_line(folder, spans, truth)}"]
    if (folder / PAGE).exists():
        lines += ["", f"How good the labels are, and what each threshold costs: {folder / PAGE}"]
        lines += [f"To answer for uncertain documents: gradmask label --review {shlex.quote(str(folder))}"]
    lines += [
        "",
        f"Next: gradmask init {shlex.quote(str(folder))} --output recipe.yaml, then gradmask train recipe.yaml",
    ]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def described(taught: Taught) -> dict[str, Any]:
    """What was learned, for programs."""
    from dataclasses import asdict

    labeler = taught.labeler
    return {
        "groups": list(labeler.groups),
        "examples": _counts(taught.examples),
        "prevalence": labeler.prevalence,
        "held_out": {group: asdict(cuts) for group, cuts in labeler.thresholds.items()},
        "suspicious": [asdict(one) for one in labeler.suspicious],
        "notes": [*taught.notes, *labeler.notes, *_unmet(labeler)],
    }


def _examples(taught: Taught) -> Table:
    wrong = Counter(one.group if one.given else "retain" for one in taught.labeler.suspicious)
    table = table_of("Learned from", "label", numbers=("examples", "probably wrong"))
    for name, n in _counts(taught.examples).items():
        table.add_row(name, f"{n:,}", f"{wrong[name]:,}")
    return table


def _counts(examples: Sequence[Any]) -> dict[str, int]:
    counts = Counter(name for example in examples for name in label.names_in(example.label))
    return dict(sorted(counts.items(), key=lambda item: (item[0] == "retain", item[0])))


def _held_out(labeler: Any) -> Table:
    columns = ("precision", "found", "lost", "sure from", "retain below")
    table = table_of("On held-out examples (95 % intervals)", "group", numbers=columns)
    for group, cuts in labeler.thresholds.items():
        table.add_row(
            group,
            _share(cuts.precision, cuts.precision_interval),
            _share(cuts.recall, cuts.recall_interval),
            _share(cuts.missed, cuts.missed_interval),
            f"{cuts.forget_above:.3g}",
            f"{cuts.retain_below:.3g}",
        )
    return table


def _share(value: float, interval: Interval) -> str:
    return f"{value:.0%} ({interval[0]:.0%} to {interval[1]:.0%})"


def _unmet(labeler: Any) -> list[str]:
    return [
        f"held-out examples of {group} do not reach {', '.join(f'{name} {value:g}' for name, value in cuts.target.items())}: "
        "the closest cut was taken; more examples help most"
        for group, cuts in labeler.thresholds.items()
        if not cuts.met
    ]


def _tell_suspicious(suspicious: Sequence[Any], console: Console) -> None:
    if not suspicious:
        return
    console.print(f"{len(suspicious):,} given labels are probably wrong, such as:", highlight=False)
    for one in suspicious[:SUSPICIOUS]:
        given = one.group if one.given else f"not {one.group}"
        console.print(
            f"  {one.id}: given as {given}, score {one.score:.2g}", markup=False, highlight=False, soft_wrap=True
        )
