"""What a labeler was taught with and how it did on it, as files beside the labels; and what a review added."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gradmask.data.label.examples import Examples
from gradmask.data.label.gathering import Example, examples_of, names_in
from gradmask.data.label.review.answers import REVIEW, read_examples, read_log
from gradmask.data.label.review.session import picked
from gradmask.files import write_whole

EXAMPLES, HELD_OUT = "examples.jsonl", "held_out.parquet"


def write_evidence(folder: Path, labeler: Any, examples: Sequence[Example]) -> None:
    """Write ``examples.jsonl`` (answers of a review stay in it as they are) and ``held_out.parquet``."""
    rows = [
        {"text": example.text, "label": _plain(example.label), "id": example.id, "source": example.source}
        for example in examples
        if example.source != REVIEW
    ]
    log = [row for row in read_log(folder / EXAMPLES) if row.get("undo") or row.get("source") == REVIEW]
    lines = [json.dumps(row, ensure_ascii=False) for row in [*rows, *log]]
    write_whole(folder / EXAMPLES, "".join(f"{line}\n" for line in lines))
    _write_held_out(folder / HELD_OUT, labeler, examples_of(examples))


def reviewed(folder: Path) -> list[Example]:
    """The answers of a review that hold; documents that were seen and not decided are left out."""
    rows = [row for row in read_examples(folder / EXAMPLES) if row.get("source") == REVIEW and row["label"]]
    return [Example(row["text"], _label(row["label"]), str(row["id"]), REVIEW, picked(row)) for row in rows]


def _label(given: str | list[str]) -> str | frozenset[str]:
    return given if isinstance(given, str) else frozenset(given)


def _write_held_out(path: Path, labeler: Any, examples: Examples) -> None:
    """``text``, ``label`` (names), ``score_GROUP`` and ``fold`` of each labeled example."""
    rows = labeler.held_out.rows.tolist()
    labels: list[Any] = [examples.labels[row] for row in rows]
    columns: dict[str, Any] = {
        "text": [examples.texts[row] for row in rows],
        "label": pa.array([sorted(label) or ["retain"] for label in labels], pa.list_(pa.string())),
        **{f"score_{group}": labeler.held_out.scores[:, i] for i, group in enumerate(labeler.groups)},
        "fold": labeler.held_out.fold,
    }
    temporary = path.with_name(f".{path.name}.tmp")
    pq.write_table(pa.table(columns), temporary, compression="zstd")
    temporary.replace(path)


def _plain(label: str | frozenset[str]) -> str | list[str]:
    names = sorted(names_in(label))
    return names[0] if len(names) == 1 else names
