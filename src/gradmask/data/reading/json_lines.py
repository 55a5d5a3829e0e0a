"""JSON lines: an object on each line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from gradmask.data.reading.content import looks_like, require_kind
from gradmask.data.reading.counts import BLANK_ROW, NOT_JSON, Row, Skipped
from gradmask.data.reading.lines import lines_of
from gradmask.data.spec import SourceSpec


def json_lines(path: Path, source: SourceSpec) -> Iterator[Row | Skipped]:
    """The objects of a file, one by one.

    Raises:
        GradmaskError: it is damaged, or of another kind.
    """
    require_kind(path, source.kind)
    for number, text in lines_of(path, source.encoding, source.longest_bytes):
        where = f"{path}, line {number}"
        yield text if isinstance(text, Skipped) else _row(where, text, number == 1)


def _row(where: str, text: str, first: bool) -> Row | Skipped:
    if not text.strip():
        return Skipped(BLANK_ROW, f"{where}: blank")
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        guess = looks_like(text.encode()) if first else ""
        return Skipped(NOT_JSON, f"{where}: not valid JSON ({error.msg} at column {error.colno}){guess}")
    except (ValueError, RecursionError) as error:
        return Skipped(NOT_JSON, f"{where}: JSON that cannot be parsed ({error})")
    if not isinstance(values, dict):
        return Skipped(NOT_JSON, f"{where}: needs a JSON object, got {type(values).__name__}")
    return Row(where, values)
