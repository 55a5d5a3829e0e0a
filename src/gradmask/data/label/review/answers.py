"""The labeled examples as a log: every answer is one line, appended and flushed at once; undoing is a line as well."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gradmask.errors import GradmaskError

REVIEW = "review"
RANDOM = "random"
"""Why a document was shown: by chance."""
Label = str | list[str] | None
"""A group's name, names of several groups, ``retain``, or None: seen, and not decided."""


def read_examples(path: Path) -> list[dict[str, Any]]:
    """The examples of a log that hold: without answers that were undone.

    A last line that was cut off (a machine that stopped while it was written) is left out.

    Returns:
        Rows with ``text``, ``label`` (see `Label`), ``id`` and ``source`` (``given`` or ``review``), in the order of the log.

    Raises:
        GradmaskError: a line is no JSON object, or lacks a field.
    """
    return replay(read_log(path))


def read_log(path: Path) -> list[dict[str, Any]]:
    """Every line of the log, undone answers and their undoing too. Raises as `read_examples`."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    lines.pop()  # empty, or what was cut off
    return [_row(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


def replay(log: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that hold after every undoing of the log."""
    rows: list[dict[str, Any]] = []
    for row in log:
        if not row.get("undo"):
            rows.append(row)
        elif (last := _last_review(rows)) is not None:
            del rows[last]
    return rows


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Append one line in one write, and wait until it is on disk. A line that was cut off before is removed first."""
    line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        _remove_torn_end(file)
        if os.write(file, line) != len(line):
            raise OSError(28, "the disk took a part of the answer only", str(path))
        os.fsync(file)
    finally:
        os.close(file)


def answer_row(id: str, text: str, label: Label, chosen: str) -> dict[str, Any]:
    """One answer; ``chosen`` says why the document was shown."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return {"text": text, "label": label, "id": id, "source": REVIEW, "chosen": chosen, "at": at}


def undo_row(id: str) -> dict[str, Any]:
    """The undoing of the last answer that holds, which is that of the document ``id``."""
    return {"id": id, "source": REVIEW, "undo": True}


def picked(row: dict[str, Any]) -> bool:
    """Whether an example was shown for another reason than chance, and so is no random one."""
    return row.get("source") == REVIEW and row.get("chosen") != RANDOM


def _last_review(rows: Sequence[dict[str, Any]]) -> int | None:
    return next((i for i in reversed(range(len(rows))) if rows[i].get("source") == REVIEW), None)


def _remove_torn_end(file: int) -> None:
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.ftruncate(file, _end_of_last_line(file, size))


def _end_of_last_line(file: int, size: int, step: int = 1 << 16) -> int:
    """The offset after the last newline; 0 where there is none."""
    end = size
    while end > 0:
        start = max(end - step, 0)
        if (at := os.pread(file, end - start, start).rfind(b"\n")) >= 0:
            return start + at + 1
        end = start
    return 0


def _row(line: bytes, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise GradmaskError(f"{place}: not JSON ({error}); an example is an object with text, label and id") from error
    if not isinstance(row, dict) or not ("undo" in row or {"text", "label"} <= set(row)):
        raise GradmaskError(f"{place}: got {line[:80]!r}; an example is an object with text, label and id")
    return row
