"""Parts of a document that can be judged alone: paragraphs, or some lines or sentences of a long one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

SHORTEST, LONGEST = 200, 2000
"""Characters of a passage: a shorter text says too little, a longer one is divided where a line, a sentence or a word ends."""
_BREAKS = (re.compile(r"\n\s*\n\s*"), re.compile(r"\n"), re.compile(r"(?<=[.!?。！？])\s*(?=\S)"), re.compile(r"\s+"))
"""Where a text is divided, the best place first; each is taken only within what the one before left too long."""


class Passage(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive) of a text."""

    start: int
    end: int


def passages_of(text: str, shortest: int = SHORTEST, longest: int = LONGEST) -> list[Passage]:
    """The passages of a text: they follow each other and make up the whole of it.

    Neighbours are joined until they have ``shortest`` characters. None is longer than ``longest``, unless it has no break.
    """
    passages: list[Passage] = []
    for start, end in _divided(text, 0, len(text), longest):
        previous = passages[-1] if passages else None
        short = previous is not None and min(end - start, previous.end - previous.start) < shortest
        if previous is not None and short and end - previous.start <= longest:
            passages[-1] = Passage(previous.start, end)
        else:
            passages.append(Passage(start, end))
    return passages


def spans_of(passages: Sequence[Passage], labels: Sequence[str | None]) -> list[dict[str, Any]]:
    """The labeled passages as spans (``start``, ``end``, ``label``), neighbours of one label as one."""
    pairs = zip(passages, labels, strict=True)
    runs = ((label, [passage for passage, _ in run]) for label, run in groupby(pairs, key=lambda pair: pair[1]))
    return [{"start": run[0].start, "end": run[-1].end, "label": label} for label, run in runs if label is not None]


def _divided(text: str, start: int, end: int, longest: int, level: int = 0) -> Iterator[tuple[int, int]]:
    """Paragraphs first; what is too long is divided further."""
    if level == len(_BREAKS) or (level and end - start <= longest):
        yield start, end
        return
    cuts = [match.end() for match in _BREAKS[level].finditer(text, start, end) if start < match.end() < end]
    for first, last in zip([start, *cuts], [*cuts, end], strict=True):
        yield from _divided(text, first, last, longest, level + 1)
