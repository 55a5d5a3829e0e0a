"""Which words of a document drive its score, for any labeler: what the score becomes without each of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

WORD = re.compile(r"[^\W\d_]{2,}")
MOST_WORDS, MOST_CHARACTERS = 200, 6000
"""Different words that are tried, and characters of the text that are looked at."""


class Scores(Protocol):
    """What is asked of a labeler."""

    def scores(self, texts: Sequence[str]) -> np.ndarray: ...


def word_effects(labeler: Scores, text: str, group: int) -> dict[str, float]:
    """Word (in lower case) -> how much higher the score of group number ``group`` is with it than without, in logits."""
    text = text[:MOST_CHARACTERS]
    words = list(dict.fromkeys(word.casefold() for word in WORD.findall(text)))[:MOST_WORDS]
    if not words:
        return {}
    scores = np.clip(labeler.scores([text, *(_without(text, word) for word in words)])[:, group], 1e-9, 1 - 1e-9)
    logits = np.log(scores) - np.log1p(-scores)
    return dict(zip(words, (logits[0] - logits[1:]).tolist(), strict=True))


def places_of(text: str, words: Sequence[str]) -> list[tuple[int, int, str]]:
    """(Start, end, word) of every occurrence of these words (in lower case)."""
    wanted = set(words)
    return [(m.start(), m.end(), w) for m in WORD.finditer(text) if (w := m[0].casefold()) in wanted]


def _without(text: str, word: str) -> str:
    return WORD.sub(lambda m: " " if m[0].casefold() == word else m[0], text)


def top_words(labeler: Any, group: str, count: int = 20) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """The terms that speak most for and against a group, each with its weight; none where the scorer has no terms.

    A weight is what the term adds to the log-odds of a text that consists of it alone.
    """
    terms = getattr(getattr(labeler.scorer, "vocabulary", None), "terms", None)
    if terms is None or labeler.head is None:
        return [], []
    weights = labeler.head.weights[:, list(labeler.groups).index(group)]
    order = np.argsort(weights, kind="stable")
    against, most = order[:count], order[::-1][:count]
    return (
        [(terms[i], float(weights[i])) for i in most.tolist() if weights[i] > 0],
        [(terms[i], float(weights[i])) for i in against.tolist() if weights[i] < 0],
    )
