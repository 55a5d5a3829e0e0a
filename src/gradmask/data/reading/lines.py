"""The lines of a text file, numbered, as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from gradmask.data.reading.counts import NOT_UNICODE, NUL, TOO_LONG, Skipped
from gradmask.data.reading.encoding import advice, open_text
from gradmask.data.reading.opening import naming_damage

_PART = 1 << 20


class Line(NamedTuple):
    """A line with its end, or why it cannot be used."""

    number: int
    text: str | Skipped


def lines_of(path: Path, encoding: str, limit: int) -> Iterator[Line]:
    """The lines of a file. One of more than ``limit`` bytes is never held in memory.

    Raises:
        GradmaskError: the file is damaged or truncated.
    """
    number = 0
    with naming_damage(path, lambda: f"line {number}"), open_text(path, encoding) as file:
        while raw := file.readline(limit + 1):
            if len(raw) > limit and not raw.endswith(b"\n"):
                _finish(file)
                line = Line(number + 1, too_long(f"{path}, line {number + 1}", limit))
            else:
                line = Line(number + 1, _decoded(path, number + 1, raw))
            number += 1
            yield line


def too_long(where: str, limit: int) -> Skipped:
    """Why a document of more than ``limit`` bytes is skipped."""
    return Skipped(TOO_LONG, f"{where}: longer than longest_document ({limit / 1e6:g} MB)")


def with_nul(where: str) -> Skipped:
    """Why a row with NUL characters is skipped."""
    return Skipped(
        NUL, f"{where}: holds NUL characters, as in a torn or binary file: repair it, or write bad_rows: skip"
    )


def _decoded(path: Path, number: int, raw: bytes) -> str | Skipped:
    where = f"{path}, line {number}"
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return Skipped(NOT_UNICODE, f"{where}: not valid UTF-8 ({error.reason}): {advice(path, raw)}")
    if "\0" not in text:
        return text
    advised = advice(path, raw)
    return Skipped(NUL, f"{where}: {advised}") if "UTF-16" in advised else with_nul(where)


def _finish(file: IO[bytes]) -> None:
    """Read to the end of the line."""
    while (part := file.readline(_PART)) and not part.endswith(b"\n"):
        pass
