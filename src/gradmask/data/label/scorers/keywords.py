"""Keywords with weights: words, pairs of words, or regular expressions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from gradmask.data.label.scorers.scorer import Material, State
from gradmask.data.label.words.vocabulary import Vocabulary, chunks
from gradmask.errors import GradmaskError, did_you_mean

_PATTERN = "re:"
Keywords = Mapping[str, Mapping[str, float]]
"""Group -> keyword -> weight. A keyword is one word, two words, or ``re:`` and a regular expression; case does not matter."""


class Scorer:
    """``keywords:FILE``, a JSON file: group -> list of keywords, or keyword -> weight. With one group also such a list alone.

    The log-odds before calibration grow with the logarithm of the weighted number of hits per 100 words.
    """

    learns, strength, column = False, 1.0, "text"

    def __init__(self, keywords: Keywords) -> None:
        self.keywords = {group: dict(weights) for group, weights in keywords.items()}
        words = sorted({word.lower() for own in keywords.values() for word in own if not word.startswith(_PATTERN)})
        self._vocabulary = Vocabulary(words)
        self._weights = np.array([[_weight(own, word) for own in self.keywords.values()] for word in words])
        self._patterns = [_patterns(own) for own in self.keywords.values()]

    @classmethod
    def make(cls, material: Material) -> Self:
        """From a file.

        Raises:
            GradmaskError: it cannot be read, holds something else, or lacks a group.
        """
        return cls(read_keywords(material.argument, material.groups))

    @classmethod
    def restore(cls, state: State) -> Self:
        """From stored keywords."""
        return cls(state.settings["keywords"])

    def state(self) -> State:
        """The keywords."""
        return State({"keywords": self.keywords})

    def features(self, texts: Sequence[str]) -> np.ndarray:
        """Log-odds ``[texts, groups]``."""
        return np.log(self.hits(texts) + 0.01)

    def hits(self, texts: Sequence[str]) -> np.ndarray:
        """The weighted number of keywords per 100 words, ``[texts, groups]``."""
        hits, lengths = np.zeros((len(texts), len(self.keywords))), np.ones(len(texts))
        start = 0
        for chunk in chunks(texts):
            part = slice(start, start := start + len(chunk))
            counts, lengths[part] = self._vocabulary.count_with_lengths(chunk)
            if len(self._vocabulary):
                hits[part] = counts @ self._weights
            for i, patterns in enumerate(self._patterns):
                hits[part, i] += (
                    [sum(w * len(p.findall(text)) for p, w in patterns) for text in chunk] if patterns else 0
                )
        return np.maximum(100 * hits / np.maximum(lengths, 100)[:, None], 0)


def read_keywords(file: str, groups: Sequence[str]) -> Keywords:
    """Keywords of these groups, from a JSON file. See `Scorer`."""
    try:
        given = json.loads(Path(file).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise GradmaskError(f"the keywords {file!r} cannot be read: {error.strerror}. Write keywords:FILE") from None
    except ValueError as error:
        raise GradmaskError(f"{file} is not JSON: {error}") from None
    return checked_keywords(given, groups)


def checked_keywords(given: Any, groups: Sequence[str]) -> Keywords:
    """Keywords with their weights, for each of the groups.

    Raises:
        GradmaskError: they have another form, a group has none, or one is no regular expression.
    """
    if isinstance(given, list) and len(groups) == 1:
        given = {groups[0]: given}
    if not isinstance(given, Mapping):
        raise GradmaskError("keywords need the form {group: [word, ...]} or {group: {word: weight}}")
    for group in groups:
        if not given.get(group):
            raise GradmaskError(f"no keywords for the group {group!r}.{did_you_mean(group, map(str, given))}")
    return {group: _weighted(given[group], group) for group in groups}


def _weighted(given: Any, group: str) -> dict[str, float]:
    weights = dict.fromkeys(given, 1.0) if isinstance(given, list) else given
    if not isinstance(weights, Mapping) or not all(isinstance(word, str) and word.strip() for word in weights):
        raise GradmaskError(f"keywords of {group!r}: needed a list of words, or word -> weight")
    for word, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not np.isfinite(weight):
            raise GradmaskError(f"keyword {word!r} of {group!r} has the weight {weight!r}, needed: a finite number")
        _check_word(word, group)
    return {word: float(weight) for word, weight in weights.items()}


def _check_word(word: str, group: str) -> None:
    if word.startswith(_PATTERN):
        try:
            re.compile(word.removeprefix(_PATTERN))
        except re.error as error:
            raise GradmaskError(f"keyword {word!r} of {group!r} is no regular expression: {error}") from None
    elif not re.fullmatch(r"\w+( \w+)?", word):
        raise GradmaskError(
            f"keyword {word!r} of {group!r} is neither one word nor two: write it as re:{re.escape(word)}"
        )


def _weight(weights: Mapping[str, float], word: str) -> float:
    return sum(weight for own, weight in weights.items() if own.lower() == word)


def _patterns(weights: Mapping[str, float]) -> list[tuple[re.Pattern[str], float]]:
    return [
        (re.compile(word.removeprefix(_PATTERN), re.IGNORECASE), weight)
        for word, weight in weights.items()
        if word.startswith(_PATTERN)
    ]
