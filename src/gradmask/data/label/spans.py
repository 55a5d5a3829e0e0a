"""Which parts of one document belong to a group, so that one paragraph does not send the whole away."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

import numpy as np

from gradmask.data.label.passages import Passage, passages_of


class Span(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive) of a text, the group, and the highest score of a passage in them."""

    start: int
    end: int
    group: str
    score: float


class Scores(Protocol):
    """What is asked of a labeler."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Names."""
        ...

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """``[texts, groups]``."""
        ...

    def decisions(self, scores: np.ndarray) -> np.ndarray:
        """1 where a text is surely the group's, ``[texts, groups]``."""
        ...


def find_spans(labeler: Scores, text: str) -> list[Span]:
    """The spans of every group, by where they begin. Those of different groups may overlap.

    A text is divided into passages (paragraphs, or some sentences of a long one) and each is scored as if it were a document.
    Neighbours that are surely the same group's are one span.
    """
    passages = passages_of(text)
    scores = labeler.scores([text[start:end] for start, end in passages])
    sure = labeler.decisions(scores) == 1
    spans = [
        span for i, group in enumerate(labeler.groups) for span in _joined(passages, sure[:, i], scores[:, i], group)
    ]
    return sorted(spans)


def _joined(passages: Sequence[Passage], sure: np.ndarray, scores: np.ndarray, group: str) -> list[Span]:
    runs = (list(run) for own, run in groupby(range(len(passages)), key=lambda i: bool(sure[i])) if own)
    return [Span(passages[run[0]].start, passages[run[-1]].end, group, float(scores[run].max())) for run in runs]
