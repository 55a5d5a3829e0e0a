"""TF-IDF of words: nothing downloaded, fast, and its reasons can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix, vstack

from gradmask.data.label.scorers.scorer import Material, State
from gradmask.data.label.words.vocabulary import Vocabulary, chunks

_FILE = "vocabulary.txt"


class Scorer:
    """Counts of known terms: ``1 + log(count)``, times the term's inverse document frequency, each text of length 1."""

    learns, strength, column = True, 10.0, "text"

    def __init__(self, vocabulary: Vocabulary, idf: np.ndarray) -> None:
        self.vocabulary, self.idf = vocabulary, idf.astype(np.float32)

    @classmethod
    def make(cls, material: Material) -> Self:
        """Terms and frequencies of all text, labeled or not."""
        texts = [*material.texts, *material.unlabeled]
        vocabulary = Vocabulary.of(texts, word_pairs=False)
        counts = sum(vocabulary.count(chunk).astype(bool).sum(axis=0) for chunk in chunks(texts))
        frequency = np.asarray(counts, dtype=np.float64).ravel()
        return cls(vocabulary, np.log((1 + len(texts)) / (1 + frequency)) + 1)

    @classmethod
    def restore(cls, state: State) -> Self:
        """From a stored vocabulary."""
        return cls(Vocabulary(state.files[_FILE].split("\n")), state.arrays["idf"])

    def state(self) -> State:
        """One term a line, and the frequencies."""
        return State(arrays={"idf": self.idf}, files={_FILE: "\n".join(self.vocabulary.terms)})

    def features(self, texts: Sequence[str]) -> csr_matrix:
        """``[texts, terms]``."""
        parts = [self._weighted(self.vocabulary.count(chunk)) for chunk in chunks(texts)]
        return csr_matrix(vstack(parts)) if parts else csr_matrix((0, len(self.vocabulary)), dtype=np.float32)

    def _weighted(self, counts: csr_matrix) -> csr_matrix:
        values = (np.log(counts.data) + 1) * self.idf[counts.indices]
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        norm = np.sqrt(np.bincount(rows, weights=values * values, minlength=counts.shape[0]))
        counts.data = (values / norm[rows]).astype(np.float32)
        return counts
