"""One thing that somebody should know about the data before training on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""Worst first. An error makes a run pointless; a warning costs quality or evidence; a note is good to know."""
EXAMPLES = 3
"""Shown of each finding."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Args:
        name: of the kind of finding, for programs.
        severity: ``error``, ``warning`` or ``note``.
        count: how many ``unit`` are concerned.
        unit: what is counted: documents, names, tokens.
        text: what was found, a sentence without a full stop.
        advice: what to do about it, a sentence without a full stop.
        examples: a few places, such as ``corpus.jsonl, line 3``.
    """

    name: str
    severity: Severity
    count: int
    unit: str
    text: str
    advice: str
    examples: Sequence[str] = field(default=())

    def __str__(self) -> str:
        places = f" ({'; '.join(self.examples)})" if self.examples else ""
        return f"{self.text}{places}. {self.advice}"


def plural(count: int, unit: str) -> str:
    """``1 document``, ``2,000 documents``; ``unit`` is the plural."""
    return f"{count:,} {unit.removesuffix('s') if count == 1 else unit}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names in quotes, so that blanks at their ends are seen; the rest is counted."""
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + rest
