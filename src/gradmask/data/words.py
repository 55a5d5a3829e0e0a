"""Which tokens of a labeled example are of its group: those of the words that are frequent there, and not elsewhere.

A document on a topic is mostly made of words that any document has. Routed as a whole, it teaches none of them to what stays.
Told apart by *distinctiveness*, how much more often a word stands in the group's labeled text than in text that is labeled retain,
only the topic's own words are the group's alone; the rest of the document stays unlabeled, and teaches everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gradmask.data.labeling import RETAIN, UNLABELED

MARKS = ("Ġ", "▁")
"""How a tokenizer's pieces begin where a space does: byte-level BPE, SentencePiece."""

Piece = tuple[str, bool]
"""A token's text, in small letters and without its mark, and whether it can only begin a word."""


def token_labels(sequences: np.ndarray, labels: np.ndarray, tokenizer: Any, ratio: float) -> np.ndarray:
    """Data labels per token, ``[n, length]``; those of labeled groups are told apart by `distinctiveness`.

    A position has the group's label where its own token or the one that it predicts is part of a word at least ``ratio``
    times as frequent in the group's labeled sequences as in those labeled retain; the others of that sequence are unlabeled.
    Sequences labeled ``retain`` or unlabeled keep their label everywhere.

    Args:
        sequences: token ids ``[n, length]``.
        labels: data labels ``[n]``.
        tokenizer: for its vocabulary.
        ratio: above 1.
    """
    pieces = vocabulary(tokenizer)
    found = np.repeat(labels[:, None], sequences.shape[1], axis=1)
    usual = count_words(sequences[labels == RETAIN], pieces)
    for group in np.unique(labels[labels > RETAIN]):
        own = np.flatnonzero(labels == group)
        ratios = distinctiveness(count_words(sequences[own], pieces), usual)
        for row in own:
            found[row] = np.where(positions(sequences[row], pieces, ratios, ratio), group, UNLABELED)
    return found


def distinctiveness(own: Mapping[str, int], usual: Mapping[str, int]) -> dict[str, float]:
    """Word -> (times seen + 1) / (times expected + 1), expected at the rate of ``usual``."""
    scale = sum(own.values()) / max(1, sum(usual.values()))
    return {word: (n + 1) / (usual.get(word, 0) * scale + 1) for word, n in own.items()}


def vocabulary(tokenizer: Any) -> list[Piece]:
    """The piece of every token id."""
    raw = [str(piece or "") for piece in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))]
    texts = [tokenizer.convert_tokens_to_string([piece]) for piece in raw]
    return [
        (text.strip().lower(), piece.startswith(MARKS) or text[:1].isspace())
        for piece, text in zip(raw, texts, strict=True)
    ]


def words(row: np.ndarray, pieces: list[Piece]) -> Iterator[tuple[int, int, str]]:
    """(first position, one after its last, word) of a sequence's words; signs are words of one token."""
    begin, word = 0, ""
    for at, token in enumerate(row.tolist()):
        text, first = pieces[token]
        if at and not first and _letters(word) and _letters(text):
            word += text
            continue
        if at:
            yield begin, at, word
        begin, word = at, text
    if len(row):
        yield begin, len(row), word


def _letters(text: str) -> bool:
    """Letters and digits; a byte of a letter that is cut across tokens counts as one."""
    return bool(text) and all(sign.isalnum() or sign == "�" for sign in text)


def count_words(sequences: np.ndarray, pieces: list[Piece]) -> Counter[str]:
    """How often each word stands in the sequences."""
    return Counter(word for row in sequences for _, _, word in words(row, pieces))


def positions(row: np.ndarray, pieces: list[Piece], ratios: Mapping[str, float], ratio: float) -> np.ndarray:
    """Where a token, or the next one, is part of a word of this ``ratio``: true or false, ``[length]``."""
    there = np.zeros(len(row) + 1, dtype=bool)
    for begin, end, word in words(row, pieces):
        there[begin:end] = ratios.get(word, 0.0) >= ratio
    return there[:-1] | there[1:]
