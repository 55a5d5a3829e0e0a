"""Near-duplicates between parts of the data: MinHash finds candidates, the exact Jaccard index decides.

Documents are in *classes* (a data label within a split). Only pairs of different classes matter here, so each class has an index
of its own, and a document is looked up in the others. Every text is read once, and the index keeps some 400 bytes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from gradmask.data.arrow import batches_of, select_rows
from gradmask.data.inspection.shingles import shingles, similarity
from gradmask.data.inspection.survey import Survey
from gradmask.data.names import UNLABELED

SIMILAR = 0.7
"""Jaccard index from which documents are near-duplicates: about one word in thirty differs."""
PERMUTATIONS, BANDS = 64, 16
"""A pair at 0.7 becomes a candidate in 99 of 100 cases (1 - (1 - 0.7**4)**16), at 0.3 in 12."""
BYTES = 60_000_000
"""Text that is compared: a few seconds. Of more, a sample."""
CROWD = 8
"""Near-duplicates of one class that are indexed: a form letter of which there are thousands would be compared with itself."""
VERIFIED = 20_000
"""Candidates that are compared exactly, at most."""
_BATCH = 500


@dataclass(frozen=True)
class Pair:
    """Two documents (rows) and the Jaccard index of their shingles."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True)
class NearDuplicates:
    """``compared`` of so many different ``documents`` were; ``cut``: there were more candidates than are verified."""

    pairs: list[Pair]
    compared: int
    documents: int
    cut: bool = False


def near_duplicates(survey: Survey, limit: int = BYTES) -> NearDuplicates:
    """Pairs across labels, or across training and held-out text, that are alike but not the same.

    Args:
        survey: of the documents.
        limit: bytes of text to compare, at most.
    """
    different = np.sort(np.unique(survey.text, return_index=True)[1])
    classes = classes_of(survey)
    rows = sample(different, classes[different], survey.size[different], survey.text[different], limit)
    search = _Search(survey, classes)
    if len(np.unique(classes[rows])) > 1:
        search.read(rows)
    return NearDuplicates(search.pairs, len(rows), len(different), search.verified >= VERIFIED)


def classes_of(survey: Survey) -> np.ndarray:
    """The class of every document: even in training text, odd in held-out text."""
    return 2 * (survey.label.astype(np.int64) - UNLABELED) + survey.held_out


def matters(first: int, second: int) -> bool:
    """Whether near-duplicates of these classes are worth a word: one is held out, or both are labeled and differ."""
    one, other = first // 2 + UNLABELED, second // 2 + UNLABELED
    return first % 2 != second % 2 or (one != other and UNLABELED not in (one, other))


def sample(rows: np.ndarray, classes: np.ndarray, sizes: np.ndarray, hashes: np.ndarray, limit: int) -> np.ndarray:
    """Rows with at most ``limit`` bytes, by hash. Small classes are kept whole: a pair needs both its documents."""
    share = np.ones(len(rows))
    left, waiting = limit, sorted(np.unique(classes), key=lambda c: sizes[classes == c].sum())
    for i, one in enumerate(waiting):
        size = int(sizes[classes == one].sum())
        taken = min(size, left // (len(waiting) - i))
        share[classes == one] = taken / max(1, size)
        left -= taken
    return rows[hashes / 2.0**64 < share]


class _Search:
    def __init__(self, survey: Survey, classes: np.ndarray) -> None:
        self.survey, self.classes = survey, classes
        self.indexes: dict[int, Any] = {}
        self.pairs: list[Pair] = []
        self.verified = 0
        self.new: Callable[[], Any]

    def read(self, rows: np.ndarray) -> None:
        rensa: Any = import_module("rensa")  # loaded where it is needed; its classes are made at run time
        self.new = partial(rensa.RMinHashLSH, SIMILAR, PERMUTATIONS, BANDS)
        texts: Any = select_rows(self.survey.documents, rows).select_columns(["text"])
        for i, batch in enumerate(batches_of(texts, _BATCH)):
            sets = [shingles(text) for text in batch["text"]]
            found = rensa.RMinHash.from_token_sets(sets, PERMUTATIONS, 0)
            for row, text, minhash in zip(rows[i * _BATCH :].tolist(), batch["text"], found, strict=False):
                self._compare(row, text, minhash)
                self._index(row, minhash)

    def _index(self, row: int, minhash: Any) -> None:
        own = int(self.classes[row])
        if own not in self.indexes:
            self.indexes[own] = self.new()
        index = self.indexes[own]
        if len(index.query(minhash)) < CROWD:
            index.insert(row, minhash)

    def _compare(self, row: int, text: str, minhash: Any) -> None:
        own = int(self.classes[row])
        for other, index in self.indexes.items():
            if matters(own, other):
                for candidate in sorted(index.query(minhash)):
                    self._verify(candidate, row, text)

    def _verify(self, first: int, second: int, text: str) -> None:
        if self.verified >= VERIFIED:
            return
        self.verified += 1
        index = similarity(self.survey.text_of(first), text)
        if index >= SIMILAR:
            self.pairs.append(Pair(first, second, index))
