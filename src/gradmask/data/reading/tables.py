"""CSV and TSV: the first line names the fields."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from gradmask.data.reading.content import require_kind
from gradmask.data.reading.counts import BLANK_ROW, NOT_COLUMNS, Row, Skipped
from gradmask.data.reading.lines import Line, lines_of
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError

DELIMITERS = {"csv": ",;\t|", "tsv": "\t"}
_FIELD = 2**31 - 1


def table_rows(path: Path, source: SourceSpec) -> Iterator[Row | Skipped]:
    """The rows of a table. Quoted fields may hold line ends, and ``""`` for a quote. Semicolons, tabs and bars are found out.

    Raises:
        GradmaskError: it is damaged, of another kind, or a quote is not closed.
    """
    require_kind(path, source.kind)
    csv.field_size_limit(_FIELD)  # of the whole process; the default refuses long documents. Lines bounds memory
    lines = _Lines(path, lines_of(path, source.encoding, source.longest_bytes), source.longest_bytes)
    header_line = next(lines, "")
    header, delimiter = _header(path, header_line, source)
    if len({*header}) < len(header):
        raise GradmaskError(
            f"{path}: two columns have one name: {', '.join(header)}. The first line must name the fields"
        )
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        try:
            values = next(reader)
        except StopIteration:
            yield from lines.skipped
            return
        except csv.Error as error:
            yield Skipped(NOT_COLUMNS, f"{lines.where}: not a row of a table ({error}): is a quote missing?")
            continue
        yield from lines.skipped
        if not lines.torn:
            yield _row(lines.where, header, values)


def _header(path: Path, line: str, source: SourceSpec) -> tuple[list[str], str]:
    """The names of the fields, without the spaces around them, and the delimiter."""
    try:
        delimiter = _delimiter(line, source)
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])], delimiter
    except csv.Error:  # a CR that ends no line as Python counts them
        raise GradmaskError(
            f"{path}: its lines end with CR alone, as on old Macs: save it with LF or CR LF as line ends"
        ) from None


def _row(where: str, header: list[str], values: list[str]) -> Row | Skipped:
    if not values:
        return Skipped(BLANK_ROW, f"{where}: blank")
    if len(values) != len(header):
        message = f"{where}: {len(values)} fields, but the header names {len(header)}: is a quote missing?"
        return Skipped(NOT_COLUMNS, message)
    return Row(where, dict(zip(header, values, strict=True)))


def _delimiter(header: str, source: SourceSpec) -> str:
    """The delimiter with which the header has the fields that the source needs, or else the one that it has most of."""
    possible = DELIMITERS[source.kind]
    names = {d: next(csv.reader([header], delimiter=d), []) for d in possible}
    return max(possible, key=lambda d: (len({*names[d]} & {*source.fields}), len(names[d])))


class _Lines(Iterator[str]):
    """Lines for the reader of a table, of which it may take several for one row."""

    def __init__(self, path: Path, lines: Iterator[Line], limit: int) -> None:
        self.path, self.lines, self.limit = path, lines, limit
        self.begin()

    def begin(self) -> None:
        """A new row."""
        self.first, self.size, self.torn = 0, 0, False
        self.skipped: list[Skipped] = []

    def __next__(self) -> str:
        for number, text in self.lines:
            if isinstance(text, Skipped):
                self.skipped.append(text)
                self.torn = self.torn or self.first > 0  # a line inside of a row is missing
                continue
            self.first, self.size = self.first or number, self.size + len(text)
            if self.size > self.limit:
                raise GradmaskError(
                    f"{self.where}: a row of more than longest_document ({self.limit / 1e6:g} MB): is a quote not closed? "
                    "Otherwise set longest_document"
                )
            return text
        raise StopIteration

    @property
    def where(self) -> str:
        return f"{self.path}, line {self.first}"
