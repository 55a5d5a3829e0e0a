"""From documents to the columns of a shard: scores, labels, spans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradmask.data.label.inputs import NO_DOMAIN
from gradmask.data.label.passages import passages_of, spans_of
from gradmask.data.label.shards import SCORE
from gradmask.data.labeling import RETAIN, UNLABELED
from gradmask.data.reading import Document


class Judged(NamedTuple):
    """Of some texts: scores ``[texts, groups]``, data labels ``[texts]`` and, where asked for, the labeled passages of each."""

    scores: np.ndarray
    data_labels: np.ndarray
    spans: list[list[dict[str, Any]]] | None


class Decider:
    """Applies a labeler to documents.

    Args:
        labeler: see `gradmask.data.label.Labeler`.
        spans: whether passages are judged one by one. A document whose passages do not all get one label is then unlabeled
            as a whole, and its spans say which parts are sure.
        given: value of the source's label field -> group or ``retain``: documents with these keep that label.
    """

    def __init__(self, labeler: Any, spans: bool = False, given: Mapping[str, str] | None = None) -> None:
        self.labeler, self.spans = labeler, spans
        self.groups: list[str] = list(labeler.groups)
        ids = {"retain": RETAIN, **{group: i for i, group in enumerate(self.groups, 1)}}
        self.given = {value: ids[name] for value, name in (given or {}).items()}

    def columns(self, batch: Sequence[Document]) -> dict[str, Any]:
        """Column -> values, one for each document."""
        judged = self.judge([document.text for document in batch])
        for i, label in self._given(batch):
            judged.data_labels[i] = label
            if judged.spans is not None:
                judged.spans[i] = []
        return {
            "text": [document.text for document in batch],
            "id": [document.id for document in batch],
            "domain": [None if document.domain == NO_DOMAIN else document.domain for document in batch],
            "split": [document.split for document in batch],
            "truth": [document.given.truth for document in batch],
            "label": self.names(judged.data_labels),
            **{SCORE + group: judged.scores[:, i] for i, group in enumerate(self.groups)},
            "spans": judged.spans,
            "data_labels": judged.data_labels,
        }

    def judge(self, texts: Sequence[str]) -> Judged:
        """Scores, labels and spans of texts."""
        scores = np.asarray(self.labeler.scores(texts), dtype=np.float64)
        if self.spans:
            return Judged(scores, *self._by_passage(texts))
        return Judged(scores, self._split(scores), None)

    def names(self, data_labels: np.ndarray) -> list[str | None]:
        """The names of labels; None for unlabeled."""
        names = ["retain", *self.groups]
        return [None if label == UNLABELED else names[label] for label in data_labels.tolist()]

    def _given(self, batch: Sequence[Document]) -> Iterator[tuple[int, int]]:
        """Which documents keep the label that they have, and its id."""
        labels = ((i, document.given.label) for i, document in enumerate(batch if self.given else ()))
        return ((i, self.given[label]) for i, label in labels if label in self.given)

    def _split(self, scores: np.ndarray) -> np.ndarray:
        return np.array(self.labeler.split(scores), dtype=np.int64)

    def _by_passage(self, texts: Sequence[str]) -> tuple[np.ndarray, list[list[dict[str, Any]]]]:
        passages = [passages_of(text) for text in texts]
        parts = [text[start:end] for text, own in zip(texts, passages, strict=True) for start, end in own]
        labels = np.split(self._split(self.labeler.scores(parts)), np.cumsum([len(own) for own in passages])[:-1])
        alike = [len(set(own.tolist())) == 1 for own in labels]
        whole = [int(own[0]) if same else UNLABELED for own, same in zip(labels, alike, strict=True)]
        spans = [
            [] if same else spans_of(own, self.names(ids))
            for own, ids, same in zip(passages, labels, alike, strict=True)
        ]
        return np.array(whole, dtype=np.int64), spans
