"""A first look at files and sources: their kind, their first rows as they are, their first documents."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet
from datasets import DatasetDict, load_from_disk

from gradmask.data.kinds import is_saved, kind_of_file
from gradmask.data.reading import FORMATS, Document, files_of, read
from gradmask.data.reading.content import described
from gradmask.data.reading.counts import ALWAYS, Row, Skipped
from gradmask.data.reading.encoding import open_text
from gradmask.data.reading.files import require_readable
from gradmask.data.reading.opening import DAMAGE, head_of
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError

JSON_LINES, JSON_ARRAY = re.compile(rb'\{\s*("|\})'), re.compile(rb'\[\s*[{"]')
TABLE_KINDS = {"\t": "tsv", ";": "csv", "|": "csv", ",": "csv"}
FEWEST_ROWS = 5
LOOKED = 1 << 18
"""Bytes in which a table is looked for."""
LONGEST_HEADER = 40
"""Characters of a name in the first line of a table."""


def guess_kind(path: Path, encoding: str = "utf-8") -> str:
    """The kind of one file, by its name or else by its content: ``jsonl``, ``json``, ``csv``, ``tsv``, ``parquet`` or ``text``.

    Raises:
        GradmaskError: it is neither; says what it is, as far as its first bytes tell.
    """
    head = head_of(path)
    if kind := kind_of_file(path):
        return kind
    if (other := described(head)) is not None:
        raise GradmaskError(f"{path} is {other}")
    if JSON_LINES.match(head):
        return "jsonl"
    if JSON_ARRAY.match(head):
        return "json"
    if not head or b"\0" in head or not _decodes(head, encoding):
        what = "empty" if not head else f"not text in {encoding}"
        raise GradmaskError(f"{path} is {what}")
    return "text"


def _decodes(head: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(head)  # what is cut off at the end is no error
    except UnicodeDecodeError:
        return False
    return True


def table_in(path: Path, encoding: str = "utf-8") -> tuple[str, int] | None:
    """Kind and columns of a table in a text file, as spreadsheets write it; None where its first rows are no table.

    A table has short names in its first line, and equally many fields in every row that can be seen.
    """
    try:
        with open_text(path, encoding) as file:
            head, cut = file.read(LOOKED).decode(errors="replace"), bool(file.read(1))
    except (*DAMAGE, LookupError):  # an encoding that there is none of, which whoever reads the file says
        return None
    lines = head.splitlines(keepends=True)
    for delimiter, kind in TABLE_KINDS.items():
        if columns := _columns(lines, delimiter, cut):
            return kind, columns
    return None


def _columns(lines: list[str], delimiter: str, cut: bool) -> int:
    """Of the table that the lines are, the last of which is not whole where it was ``cut``; 0 where they are none."""
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row][: -1 if cut else None]
    except csv.Error:
        return 0
    names = {name.strip() for name in rows[0]} if rows else set()
    fits = all(0 < len(name) <= LONGEST_HEADER for name in names) and {len(row) for row in rows} == {len(names)}
    return len(names) if fits and len(names) > 1 and len(rows) >= FEWEST_ROWS else 0


def read_documents(source: SourceSpec, seed: int = 0) -> Iterator[Document]:
    """The documents of one source in order, without its limits.

    Raises:
        GradmaskError: as `load_documents`.
    """
    return read(source, seed)


def first_documents(source: SourceSpec, count: int, seed: int = 0) -> list[Document]:
    """The first documents of a source; no more of its files is read.

    Raises:
        GradmaskError: as `load_documents`, for what was read.
    """
    return list(islice(read(source, seed), count))


def first_rows(source: SourceSpec, count: int, every: bool = False) -> list[dict[str, Any]]:
    """The first rows of a source's first file with all of their fields, whatever the source says of fields.

    Args:
        source: where they are.
        count: rows, at most.
        every: a row that cannot be read is an error, also where others can be.

    Raises:
        GradmaskError: a file that is missing, damaged, or of another kind; one in which none of the first rows can be read.
    """
    if source.kind == "datasets":
        return _saved_rows(source, count)
    path = next(iter(files_of(source)))
    require_readable(path, source)
    if source.kind == "parquet" and _is_parquet(path):
        table = pyarrow.parquet.ParquetFile(path)
        return next(table.iter_batches(count), pyarrow.RecordBatch.from_pylist([], table.schema_arrow)).to_pylist()
    return _rows(FORMATS[source.kind](path, source), count, every)


def _rows(rows: Iterator[Row | Skipped], count: int, every: bool) -> list[dict[str, Any]]:
    """The first of them. Those that cannot be read are an error where there are no others, or ``every`` one is needed."""
    readable: list[dict[str, Any]] = []
    unreadable: list[str] = []
    for row in rows:
        if isinstance(row, Row):
            readable.append(row.values)
        elif row.reason not in ALWAYS:
            unreadable.append(row.message)
        if max(len(readable), len(unreadable)) >= count:
            break
    if unreadable and (every or not readable):
        raise GradmaskError(unreadable[0])
    return readable


def is_saved_dataset(folder: Path) -> bool:
    """Whether a folder is a Hugging Face dataset that was saved to disk."""
    return is_saved(folder)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _saved_rows(source: SourceSpec, count: int) -> list[dict[str, Any]]:
    """Of a dataset that was saved to disk; any other one is opened by name, which is not a first look."""
    folder = source.roots[0]
    if not is_saved(folder):
        return []
    loaded: Any = load_from_disk(folder)
    part: Any = next(iter(loaded.values())) if isinstance(loaded, DatasetDict) else loaded
    return part.select(range(min(count, len(part)))).to_list()


def source_files(source: SourceSpec) -> list[Path]:
    """The files that a source's paths or patterns name; none for the stories, or a dataset by name."""
    return [path for path in files_of(source) if path.exists()]
