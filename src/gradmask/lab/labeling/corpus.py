"""One pass over the labeled shards: counts, scores, and the documents that were hardest to decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gradmask.errors import GradmaskError

BINS = 200
"""Of scores between 0 and 1."""
UNCERTAIN = 12
"""Documents that are kept per group."""
UNLABELED = "unlabeled"
_compute: Any = pc  # its functions are made when it is imported


@dataclass
class Scores:
    """Of one group, per bin of its score: documents by label, bytes, and bytes times score (bytes that are the group's)."""

    documents: dict[str, np.ndarray] = field(default_factory=dict)
    bytes: np.ndarray = field(default_factory=lambda: np.zeros(BINS))
    expected: np.ndarray = field(default_factory=lambda: np.zeros(BINS))

    @property
    def counts(self) -> np.ndarray:
        """Documents per bin, of any label."""
        return sum(self.documents.values(), np.zeros(BINS))


@dataclass
class Corpus:
    """All documents: label -> number and bytes, group -> `Scores`, group -> rows that were hardest to decide."""

    documents: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)
    uncertain: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def read_corpus(shards: Path, cuts: Mapping[str, tuple[float, float]]) -> Corpus:
    """Count ``shards/*.parquet``, a batch at a time.

    Args:
        shards: the folder.
        cuts: group -> (retain below, forget above).

    Raises:
        GradmaskError: there are no shards.
    """
    files = sorted(shards.glob("*.parquet"))
    if not files:
        raise GradmaskError(f"{shards} holds no Parquet shards: give the output folder of a finished gradmask label")
    corpus = Corpus(scores={group: Scores() for group in cuts}, uncertain={group: [] for group in cuts})
    columns = ["id", "domain", "label", "text", *(f"score_{group}" for group in cuts)]
    for path in files:
        with pq.ParquetFile(path) as file:
            present = [name for name in columns if name in file.schema_arrow.names]
            for batch in file.iter_batches(4096, columns=present):
                _add(corpus, batch, cuts)
    return corpus


def bin_of(scores: np.ndarray | float) -> Any:
    """The number of a score's bin."""
    return np.clip((np.asarray(scores) * BINS).astype(int), 0, BINS - 1)


def _add(corpus: Corpus, batch: pa.RecordBatch, cuts: Mapping[str, tuple[float, float]]) -> None:
    labels = np.array([name or UNLABELED for name in batch["label"].to_pylist()], dtype=object)
    sizes = _compute.binary_length(batch["text"]).to_numpy(zero_copy_only=False).astype(float)
    for name in np.unique(labels):
        mine = labels == name
        corpus.documents[name] = corpus.documents.get(name, 0) + int(mine.sum())
        corpus.bytes[name] = corpus.bytes.get(name, 0) + int(sizes[mine].sum())
    for group, (below, above) in cuts.items():
        scores = batch[f"score_{group}"].to_numpy(zero_copy_only=False).astype(float)
        of, bins = corpus.scores[group], bin_of(scores)
        of.bytes += np.bincount(bins, sizes, BINS)
        of.expected += np.bincount(bins, sizes * scores, BINS)
        for name in np.unique(labels):
            counted = np.bincount(bins[labels == name], minlength=BINS)
            of.documents[name] = of.documents.get(name, np.zeros(BINS)) + counted
        corpus.uncertain[group] = _hardest(corpus.uncertain[group], batch, scores, (below, above))


def _hardest(
    kept: list[dict[str, Any]], batch: pa.RecordBatch, scores: np.ndarray, cuts: tuple[float, float]
) -> list[dict[str, Any]]:
    """The rows between the two thresholds, from the middle outwards, then those closest to either."""
    nearest = np.argsort(np.abs(scores - sum(cuts) / 2), kind="stable")[:UNCERTAIN]
    domains = batch["domain"] if "domain" in batch.schema.names else None
    new: list[dict[str, Any]] = [
        {
            "score": float(scores[row]),
            "label": batch["label"][row].as_py() or UNLABELED,
            "id": batch["id"][row].as_py() or "",
            "domain": (domains[row].as_py() if domains is not None else None) or "",
            "text": batch["text"][row].as_py(),
        }
        for row in nearest.tolist()
    ]
    return sorted([*kept, *new], key=lambda row: abs(row["score"] - sum(cuts) / 2))[:UNCERTAIN]
