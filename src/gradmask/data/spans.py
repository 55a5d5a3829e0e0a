"""Labels of parts of a document.

A span carries its own label. Text outside of all spans carries the document's label, and is unlabeled where the document has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from gradmask.data.names import Names


class Span(NamedTuple):
    """Characters ``start`` to ``end`` of a text, and the id of their label."""

    start: int
    end: int
    label: int


def in_order(spans: Sequence[dict[str, Any]], names: Names) -> list[Span]:
    """Spans by their start, with ids of labels; those of one label that touch or overlap are joined.

    Args:
        spans: of ``start``, ``end`` and ``label``, a name that ``names`` knows.
    """
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span["start"], span["end"])):
        start, end, label = span["start"], span["end"], names.known(span["label"])
        if merged and start <= merged[-1].end and label == merged[-1].label:
            merged[-1] = merged[-1]._replace(end=max(end, merged[-1].end))
        else:
            merged.append(Span(start, end, label))
    return merged


def overlap(spans: Sequence[Span], names: Names) -> str | None:
    """What two spans share text though their labels differ, in words; ``spans`` are in order."""
    for one, other in pairwise(spans):
        if other.start < one.end:
            kinds = f"{names.kind(one.label)} and {names.kind(other.label)}"
            return f"{kinds} at {other.start} to {min(one.end, other.end)}"
    return None
