"""The truth of documents, where it is known: from a field of their source, or from a small audited file. For evaluation only."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset

from gradmask.data.arrow import columns_of
from gradmask.data.label_spec import AuditSpec
from gradmask.data.names import Names
from gradmask.errors import GradmaskError, did_you_mean


class Truth(NamedTuple):
    """Per document the true name as it was given, None where it is not known; and what is to be said of it."""

    names: list[str | None]
    notices: list[str]


class Audited(NamedTuple):
    """A row of an audited file."""

    id: str | None
    text: str | None
    truth: str
    where: str


def truth_of(documents: Dataset, audit: AuditSpec | None, names: Names) -> Truth:
    """What is truly in each document, as far as it is known.

    Raises:
        GradmaskError: a name that means nothing; an audited file without a document of the sources, or that contradicts them.
    """
    known: list[str | None] = [truth for (truth,) in columns_of(documents, ["truth"])]
    notices: list[str] = []
    if audit is not None:
        found, missing = _matched(documents, audit)
        _require_agreement(known, found)
        known = [found[i].truth if i in found else name for i, name in enumerate(known)]
        if missing:
            notices.append(f"{missing:,} audited rows of {audit.path} belong to no document of the sources.")
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for name, place in zip(known, documents["id"], strict=True):
        if name is not None:
            counts[name] += 1
            first.setdefault(name, place)
    names.require(counts, "truth", first)
    return Truth([None if name is not None and names.id(name) == -1 else name for name in known], notices)


def audited(audit: AuditSpec) -> list[Audited]:
    """The rows of an audited file, those without a truth left out.

    Raises:
        GradmaskError: no file, no rows, a field that is missing, an id or a text with two truths.
    """
    path, rows = Path(audit.path).expanduser(), []
    for where, values in _rows(path):
        if not values.keys() & {audit.id_field, audit.text_field}:
            needed = f"{audit.id_field!r} or {audit.text_field!r}"
            raise GradmaskError(f"{where}: an audited row needs the field {needed}. Fields: {', '.join(values)}")
        if audit.truth_field not in values:
            hint = did_you_mean(audit.truth_field, values)
            raise GradmaskError(f"{where}: no field {audit.truth_field!r}.{hint} Fields: {', '.join(values)}")
        if (truth := values[audit.truth_field]) not in (None, ""):
            named, text = (_given(values.get(name)) for name in (audit.id_field, audit.text_field))
            rows.append(Audited(named, text, str(truth), where))
    if not rows:
        raise GradmaskError(f"{path} has no row with a truth: fill in {audit.truth_field!r}, or remove data.audit")
    return rows


def _given(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise GradmaskError(f"data.audit: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise GradmaskError(f"data.audit: {path} is not UTF-8: {error.reason} at byte {error.start}") from None
    if path.suffix in (".csv", ".tsv"):
        table = csv.DictReader(text.splitlines(keepends=True), delimiter="\t" if path.suffix == ".tsv" else ",")
        for values in table:
            yield f"{path}, line {table.line_num}", {key: value for key, value in values.items() if key is not None}
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", _object(line, f"{path}, line {number}")


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise GradmaskError(f"{where}: not valid JSON ({error})") from None
    if not isinstance(values, dict):
        raise GradmaskError(f"{where}: needs a JSON object, got {type(values).__name__}")
    return values


def _matched(documents: Dataset, audit: AuditSpec) -> tuple[dict[int, Audited], int]:
    """Number of a document -> its audited row; and how many rows belong to none."""
    rows = audited(audit)
    by_id = {row.id: row for row in rows if row.id is not None}
    by_text = {row.text: row for row in rows if row.text is not None}
    _require_single(rows)
    found: dict[int, Audited] = {}
    used: set[str] = set()
    for i, (place, text) in enumerate(columns_of(documents, ["id", "text"])):
        row = by_id.get(place) or by_text.get(text)
        if row is None:
            continue
        if row.id == place and row.where in used and row.text is None:
            raise GradmaskError(f"{row.where}: several documents have the id {place!r}: give the text as well")
        if row.id == place and row.text not in (None, text):
            raise GradmaskError(
                f"{row.where}: its text is not that of the document {place!r}: correct the id or the text"
            )
        found[i] = row
        used.add(row.where)
    if not found:
        raise GradmaskError(
            f"no row of {audit.path} belongs to a document of data.sources: give their ids (id_field of the source) or whole texts"
        )
    return found, len({row.where for row in rows} - used)


def _require_single(rows: list[Audited]) -> None:
    seen: dict[tuple[str, str], Audited] = {}
    for row in rows:
        for key in (("id", row.id), ("text", row.text)):
            if key[1] is None:
                continue
            other = seen.setdefault((key[0], key[1]), row)
            if other.truth != row.truth:
                raise GradmaskError(
                    f"{row.where}: {row.truth!r}, but {other.where} says {other.truth!r} of the same {key[0]}"
                )


def _require_agreement(known: list[str | None], found: dict[int, Audited]) -> None:
    for i, row in found.items():
        if known[i] not in (None, row.truth):
            raise GradmaskError(
                f"{row.where}: the truth is {row.truth!r}, but the document's own truth_field says {known[i]!r}: correct one"
            )
