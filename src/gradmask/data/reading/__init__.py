"""Reading the documents of one source as a stream: at most a batch of rows is held in memory.

One file a format (`json_lines`, `json_array`, `tables`, `plain`, `parquet`, `hub`) gives rows; `documents` makes documents of
them. Files are decompressed by their content (`opening`), and decoded (`encoding`, `lines`). Every row becomes a document or is
skipped for a reason that is counted (`counts`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gradmask.data.given import require_used
from gradmask.data.reading.built_in import STORIES_MEGABYTES as STORIES_MEGABYTES, stories
from gradmask.data.reading.counts import (
    ALWAYS,
    BLANK,
    BLANK_ROW,
    EMPTY,
    NOT_COLUMNS,
    Row,
    Skipped,
    SourceCounts as SourceCounts,
)
from gradmask.data.reading.document import SPLITS as SPLITS, Document as Document
from gradmask.data.reading.documents import Maker as Maker
from gradmask.data.reading.files import files_of as files_of, require_readable as require_readable
from gradmask.data.reading.hub import hub_rows
from gradmask.data.reading.json_array import json_values
from gradmask.data.reading.json_lines import json_lines
from gradmask.data.reading.parquet import parquet_rows
from gradmask.data.reading.plain import paragraphs, whole_file
from gradmask.data.reading.tables import table_rows
from gradmask.data.reading.turns import renderer as renderer
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError

logger = logging.getLogger(__name__)
SHOWN = 3
"""Of the rows that are skipped for one reason, those whose messages are kept."""

FORMATS: Mapping[str, Callable[[Path, SourceSpec], Iterator[Row | Skipped]]] = {
    "jsonl": json_lines,
    "json": json_values,
    "csv": table_rows,
    "tsv": table_rows,
    "text": paragraphs,
    "folder": whole_file,
    "parquet": parquet_rows,
}
"""Kind of a source -> what gives the rows of one of its files."""


def read(
    source: SourceSpec, seed: int = 0, counts: SourceCounts | None = None, tokenizer: Any = None
) -> Iterator[Document]:
    """The documents of a source in order. Limits are not applied yet, except to stories, which have no end otherwise.

    Args:
        source: where to read.
        seed: of the stories.
        counts: to be filled while documents are read: rows, documents, and rows that were skipped.
        tokenizer: the run's, if it is one by name; its chat template makes texts of messages.

    Raises:
        GradmaskError: a file that is missing, empty, damaged or of another kind, a field that is missing or of another type; the
            message names the file and the line or row.
    """
    counts = counts if counts is not None else SourceCounts(source.name)
    if source.kind == "stories":
        for document in stories(source, seed):
            counts.rows, counts.documents = counts.rows + 1, counts.documents + 1
            yield document
        return
    maker = Maker(source, renderer(source, tokenizer))
    for name, rows in _parts(source, counts):
        before = counts.documents
        yield from _documents(rows, maker, counts)
        if counts.documents == before and source.kind != "folder":
            raise GradmaskError(_no_text(name, counts))
    if not counts.documents:
        raise GradmaskError(_no_text(source.name, counts))
    require_used(source, maker.used, list(maker.known))
    _tell(counts)


def read_file(path: Path, maker: Maker, counts: SourceCounts) -> Iterator[Document]:
    """The documents of one file of a source.

    Args:
        path: the file, which is there.
        maker: of the source.
        counts: to be filled while documents are read.

    Raises:
        GradmaskError: see `read`.
    """
    yield from _documents(FORMATS[maker.source.kind](path, maker.source), maker, counts)


def _parts(source: SourceSpec, counts: SourceCounts) -> Iterator[tuple[str, Iterable[Row | Skipped]]]:
    """Each file or dataset with its rows."""
    if source.kind == "datasets":
        yield from ((path, hub_rows(path, source)) for path in source.paths)
        return
    for path in files_of(source):
        if require_readable(path, source) or source.kind == "folder":
            yield str(path), FORMATS[source.kind](path, source)
        else:
            advice = "remove it from data.sources, or give a file with documents"
            _skip(Skipped(EMPTY, f"{path} is empty: {advice}"), source, counts)


def _documents(rows: Iterable[Row | Skipped], maker: Maker, counts: SourceCounts) -> Iterator[Document]:
    for row in rows:
        made = row if isinstance(row, Skipped) else maker.document(row)
        if isinstance(made, Skipped):
            _skip(made, maker.source, counts)
        else:
            counts.rows, counts.documents = counts.rows + 1, counts.documents + 1
            yield made


def _skip(skipped: Skipped, source: SourceSpec, counts: SourceCounts) -> None:
    if skipped.reason not in ALWAYS and source.bad_rows == "error":
        advice = " Repair it, or write bad_rows: skip" if skipped.reason == NOT_COLUMNS else ""
        raise GradmaskError(skipped.message + advice)
    counts.rows += 1
    counts.skipped[skipped.reason] += 1
    if counts.skipped[skipped.reason] <= SHOWN:
        counts.first.setdefault(skipped.reason, []).append(skipped.message)
    if skipped.reason not in (BLANK, BLANK_ROW) and counts.skipped[skipped.reason] == 1:
        logger.warning("skipped %s", skipped.message)


def _no_text(name: str, counts: SourceCounts) -> str:
    skipped = ", ".join(f"{count:,} {reason}" for reason, count in counts.skipped.items())
    advice = "remove it from data.sources, or give a file with documents"
    return f"{name} has no text{skipped and f' (skipped so far: {skipped})'}: {advice}"


def _tell(counts: SourceCounts) -> None:
    """Warn of what was skipped, beyond blank rows."""
    if {*counts.skipped} - {BLANK, BLANK_ROW}:
        logger.warning("%s", counts)
