"""Labels per token: within a labeled document, only the words that are distinctive of its group carry the group's label.

Most words of a document on a topic occur in any document. Routed as a whole, such a document trains only the group, and the
retained parameters learn none of its ordinary words. *Distinctiveness* is how much more often a word occurs in the group's
labeled text than in text labeled retain. Only distinctive words keep the label. The rest of the document is labeled retain, so that
the retained parameters learn ordinary words wherever they stand, without the help of a group that will be removed; or it becomes
unlabeled and updates every parameter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from gradmask.data.labeling import RETAIN, UNLABELED
from gradmask.errors import GradmaskError

MARKS = ("Ġ", "▁")
"""First character of a token that begins with a space: byte-level BPE, SentencePiece."""

TokenText = tuple[str, bool]
"""A token's text, lower case and without its mark, and whether it can only begin a word."""


def token_labels(
    sequences: np.ndarray,
    labels: np.ndarray,
    tokenizer: Any,
    ratio: float,
    common: Literal["retain", "unlabeled"] = "retain",
) -> np.ndarray:
    """Data labels per token from data labels per sequence.

    In a sequence labeled with a group, a position keeps the label if its own token or the next one, which it predicts, is part
    of a word that is at least ``ratio`` times as frequent in the group's sequences as in those labeled retain. The other
    positions of that sequence get the label ``common``. Retain and unlabeled sequences keep their label everywhere.

    Args:
        sequences: token ids ``[n, length]``.
        labels: data labels ``[n]``.
        tokenizer: for its vocabulary.
        ratio: of frequencies, above 1; see `distinctiveness`.
        common: the label of other words of these sequences.

    Returns:
        Data labels ``[n, length]``.

    Raises:
        GradmaskError: labels are per token already.
    """
    made = WordLabels(sequences, labels, tokenizer, ratio, common)
    return np.stack([made.of(row, int(label)) for row, label in zip(sequences, labels, strict=True)])


class WordLabels:
    """What is counted once for `token_labels`, and labels any sequence then; its arguments and errors are the same."""

    def __init__(
        self,
        sequences: np.ndarray,
        labels: np.ndarray,
        tokenizer: Any,
        ratio: float,
        common: Literal["retain", "unlabeled"] = "retain",
    ) -> None:
        if labels.ndim > 1:
            raise GradmaskError(
                "distinctive_words labels the words of documents with one label, but there are labels per token already "
                "(spans_field): leave out one of the two"
            )
        self.tokens, self.ratio = vocabulary(tokenizer), ratio
        self.other = {"retain": RETAIN, "unlabeled": UNLABELED}[common]
        retain = count_words(sequences[labels == RETAIN], self.tokens)
        self.ratios = {
            int(group): distinctiveness(count_words(sequences[labels == group], self.tokens), retain)
            for group in np.unique(labels[labels > RETAIN])
        }

    def of(self, row: np.ndarray, label: int) -> np.ndarray:
        """Data labels ``[length]`` of a sequence with this label."""
        if label <= RETAIN:
            return np.full(len(row), label, np.int64)
        found = positions(row, self.tokens, self.ratios.get(label, {}), self.ratio)
        return np.where(found, label, self.other).astype(np.int64)


def distinctive_shares(
    sequences: np.ndarray, labels: np.ndarray, ratio: float = 5.0, most: int = 1000
) -> dict[int, float]:
    """Group -> share of its tokens that are this many times as frequent there as in retain text.

    It is high for a language and low for a topic.

    Args:
        sequences: token ids ``[n, length]``.
        labels: data labels ``[n]``.
        ratio: from which a token is distinctive, counted as `distinctiveness` counts words.
        most: sequences of each label that are counted, evenly spaced.
    """
    size = int(sequences.max()) + 1
    counts = {
        int(i): _frequencies(sequences[_spaced(labels == i, most)], size) for i in np.unique(labels[labels >= RETAIN])
    }
    retain, shares = counts.pop(RETAIN, np.zeros(size)), {}
    for group, own in counts.items():
        ratios = (own + 1) / (retain * own.sum() / max(1, retain.sum()) + 1)
        shares[group] = float(own[ratios >= ratio].sum() / own.sum())
    return shares


def _frequencies(rows: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(rows.ravel(), minlength=size).astype(float)


def tokens_per_word(sequences: np.ndarray, tokenizer: Any) -> float:
    """How many tokens a word has: one or two with spaces between words, many where there are none (Chinese, Japanese, Thai)."""
    tokens = vocabulary(tokenizer)
    return sequences.size / max(1, sum(1 for row in sequences for _ in words(row, tokens)))


def _spaced(chosen: np.ndarray, most: int) -> np.ndarray:
    """Indices of at most so many of the chosen rows, evenly spaced."""
    rows = np.flatnonzero(chosen)
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]


def distinctiveness(group: Mapping[str, int], retain: Mapping[str, int]) -> dict[str, float]:
    """Word -> (occurrences + 1) / (expected occurrences + 1), expected at the word's rate in ``retain``.

    Args:
        group: word -> occurrences in the group's text.
        retain: word -> occurrences in text labeled retain.
    """
    scale = sum(group.values()) / max(1, sum(retain.values()))
    return {word: (n + 1) / (retain.get(word, 0) * scale + 1) for word, n in group.items()}


def vocabulary(tokenizer: Any) -> list[TokenText]:
    """The text of every token id."""
    raw = [str(token or "") for token in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))]
    texts = [tokenizer.convert_tokens_to_string([token]) for token in raw]
    return [
        (text.strip().lower(), token.startswith(MARKS) or text[:1].isspace())
        for token, text in zip(raw, texts, strict=True)
    ]


def words(row: np.ndarray, tokens: list[TokenText]) -> Iterator[tuple[int, int, str]]:
    """(start, end, word) of each word of a sequence, ``end`` exclusive; punctuation marks are words of one token."""
    start, word = 0, ""
    for position, token in enumerate(row.tolist()):
        text, begins_word = tokens[token]
        if position and not begins_word and _is_alphanumeric(word) and _is_alphanumeric(text):
            word += text
            continue
        if position:
            yield start, position, word
        start, word = position, text
    if len(row):
        yield start, len(row), word


def _is_alphanumeric(text: str) -> bool:
    """Letters and digits only. A letter whose bytes are split across tokens decodes to replacement characters."""
    return bool(text) and all(character.isalnum() or character == "�" for character in text)


def count_words(sequences: np.ndarray, tokens: list[TokenText]) -> Counter[str]:
    """How often each word occurs in the sequences."""
    return Counter(word for row in sequences for _, _, word in words(row, tokens))


def positions(row: np.ndarray, tokens: list[TokenText], ratios: Mapping[str, float], ratio: float) -> np.ndarray:
    """Positions whose token or next token is part of a word of at least this ``ratio``, as a mask ``[length]``."""
    distinctive = np.zeros(len(row) + 1, dtype=bool)
    for start, end, word in words(row, tokens):
        distinctive[start:end] = ratios.get(word, 0.0) >= ratio
    # The loss of a position is that of the token after it, so the position before a distinctive token learns it too.
    return distinctive[:-1] | distinctive[1:]
