"""The words and word pairs that a scorer knows, and how often each occurs in texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Self, cast

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from gradmask.data.label.words.finding import Words, find_words, pairs

CHARACTERS = 500_000
"""Of text that are worked on at once: what keeps memory flat and arrays in the cache."""


def chunks(texts: Sequence[str], characters: int = CHARACTERS) -> Iterator[Sequence[str]]:
    """Runs of texts of about this many characters."""
    start = size = 0
    for i, text in enumerate(texts):
        size += len(text)
        if size >= characters:
            yield texts[start : i + 1]
            start, size = i + 1, 0
    if start < len(texts):
        yield texts[start:]


class Vocabulary:
    """Terms (a word in lower case, or two with a blank) and their column numbers.

    Args:
        terms: distinct terms.
    """

    def __init__(self, terms: Iterable[str]) -> None:
        self.terms = list(terms)
        self.has_pairs = any(" " in term for term in self.terms)
        self._index = pd.Index(_hashes_of(self.terms))

    def __len__(self) -> int:
        return len(self.terms)

    @classmethod
    def of(cls, texts: Sequence[str], least: int = 2, most: int = 200_000, word_pairs: bool = True) -> Self:
        """The terms in at least ``least`` of the texts; of these the ``most`` that are in most texts."""
        seen: dict[str, list[np.ndarray]] = {"hashes": [], "texts": []}
        for chunk in chunks(texts):
            hashes, counts = _texts_with(find_words(chunk), word_pairs)
            seen["hashes"].append(hashes)
            seen["texts"].append(counts)
        hashes, counts = _summed(seen["hashes"], seen["texts"])
        kept = np.flatnonzero(counts >= least)
        kept = kept[np.argsort(-counts[kept], kind="stable")[:most]]
        return cls(sorted(_spelled(texts, hashes[kept], word_pairs)))

    def count(self, texts: Sequence[str]) -> csr_matrix:
        """How often each term is in each text, float32 ``[texts, terms]``."""
        return self.count_with_lengths(texts)[0]

    def count_with_lengths(self, texts: Sequence[str]) -> tuple[csr_matrix, np.ndarray]:
        """As `count`, and how many words each text has, ``[texts]``."""
        words = find_words(texts)
        columns, first = self.columns(words)
        if self.has_pairs:
            columns, first = self._with_pairs(words, columns)
        known = columns >= 0
        rows = np.concatenate([[0], np.cumsum(known)])[first]
        shape = (len(texts), len(self))
        matrix = csr_matrix((np.ones(rows[-1], dtype=np.float32), columns[known], rows), shape=shape)
        matrix = csr_matrix(matrix.tocsc())  # sorts the columns of each row in linear time
        matrix.sum_duplicates()
        return matrix, np.diff(words.first)

    def columns(self, words: Words) -> tuple[np.ndarray, np.ndarray]:
        """The column of each word, -1 for unknown ones, ``[words]``; and the index of each text's first word."""
        return self._index.get_indexer(cast(pd.Index, words.hashes)), words.first

    def _with_pairs(self, words: Words, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        left, hashes = pairs(words)
        of_pairs = self._index.get_indexer(cast(pd.Index, hashes))
        both = np.full(2 * len(columns), -1, dtype=columns.dtype)
        both[::2] = columns
        both[2 * left + 1] = of_pairs
        return both, 2 * words.first


def _hashes_of(terms: Sequence[str]) -> np.ndarray:
    words = find_words(terms)
    hashes = words.hashes[words.first[:-1]]
    left, of_pairs = pairs(words)
    # A term with a blank is its first pair; `left` is sorted.
    two = np.fromiter((" " in term for term in terms), dtype=bool, count=len(terms))
    hashes[two] = of_pairs[np.searchsorted(left, words.first[:-1][two])]
    return hashes


def _texts_with(words: Words, word_pairs: bool) -> tuple[np.ndarray, np.ndarray]:
    """Distinct terms, and the number of texts that each is in."""
    texts = np.repeat(np.arange(len(words.first) - 1), np.diff(words.first))
    hashes = words.hashes
    if word_pairs:
        left, of_pairs = pairs(words)
        texts, hashes = np.concatenate([texts, texts[left]]), np.concatenate([hashes, of_pairs])
    order = np.lexsort((texts, hashes))
    texts, hashes = texts[order], hashes[order]
    new = np.ones(len(hashes), dtype=bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (texts[1:] != texts[:-1])
    return np.unique(hashes[new], return_counts=True)


def _summed(hashes: list[np.ndarray], counts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    if not hashes:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    distinct, where = np.unique(np.concatenate(hashes), return_inverse=True)
    return distinct, np.bincount(where, weights=np.concatenate(counts)).astype(np.int64)


def _spelled(texts: Sequence[str], hashes: np.ndarray, word_pairs: bool) -> Iterator[str]:
    """Each number's term, from where it first occurs."""
    missing = pd.Index(hashes)
    found = np.zeros(len(hashes), dtype=bool)
    for chunk in chunks(texts):
        words = find_words(chunk)
        left, of_pairs = pairs(words) if word_pairs else (np.zeros(0, np.int64), np.zeros(0, np.uint64))
        for terms, first, last in ((words.hashes, np.arange(len(words.hashes)), 0), (of_pairs, left, 1)):
            which = missing.get_indexer(cast(pd.Index, terms))
            which, places = np.unique(which, return_index=True)
            new = (which >= 0) & ~found[which]
            found[which[new]] = True
            for place in first[places[new]]:
                yield " ".join(
                    words.text[words.starts[i] : words.ends[i]].lower() for i in range(place, place + last + 1)
                )
        if found.all():
            return
