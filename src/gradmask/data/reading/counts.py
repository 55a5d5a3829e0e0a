"""What was read of a source, and what was skipped, so that no document is lost without a word."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

BLANK, BLANK_ROW, TOO_LONG = "blank text", "blank row", "longer than longest_document"
NOT_JSON, NOT_UNICODE, NUL, BAD_FIELD = (
    "not valid JSON",
    "not valid Unicode",
    "NUL characters",
    "missing or wrong field",
)
NOT_COLUMNS, EMPTY, NO_ANSWER = "other number of columns than the header", "empty file", "no answer"
ALWAYS = {BLANK, BLANK_ROW, TOO_LONG, NO_ANSWER}
"""Skipped and counted in any case; the other reasons are errors unless the source says ``bad_rows: skip``."""


class Row(NamedTuple):
    """Named values, their place for messages, and the split of the part of the dataset that they are in, if it has one."""

    where: str
    values: dict[str, Any]
    part: str | None = None


class Skipped(NamedTuple):
    """A row that gives no document: why, as it is counted, and the message where that is an error."""

    reason: str
    message: str


@dataclass
class SourceCounts:
    """Of one source: ``rows`` read, of which ``documents`` were made and the others ``skipped``, by reason.

    A row is a line, a record, a block of text between blank lines, or a file of a folder. ``documents`` are counted before a limit
    of the source selects among them; ``kept`` are those that it leaves.
    """

    source: str
    rows: int = 0
    documents: int = 0
    kept: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[str]] = field(default_factory=dict)
    """Reason -> the messages of the first few rows that were skipped for it, with their places."""

    def to_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "skipped": dict(self.skipped)}

    def __str__(self) -> str:
        listed = ", ".join(f"{count:,} {reason}" for reason, count in self.skipped.most_common())
        return f"{self.source}: {self.documents:,} documents of {self.rows:,} rows" + (listed and f", skipped {listed}")
