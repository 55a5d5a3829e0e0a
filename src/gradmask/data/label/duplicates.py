"""Near-duplicates with different labels among labeled shards: the same text cannot both stay and go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from gradmask.data.inspection.near import near_duplicates
from gradmask.data.inspection.survey import survey_of
from gradmask.data.label.review.pool import random_key
from gradmask.data.labeling import RETAIN, UNLABELED

BYTES = 20_000_000
"""Text that is compared; of more, a sample."""
_COLUMNS = ("text", "id", "data_labels")


class Side(NamedTuple):
    """One of two documents."""

    label: str
    id: str
    text: str


class Alike(NamedTuple):
    """Two documents with different labels, and the Jaccard index of their shingles."""

    sides: tuple[Side, Side]
    similarity: float


def alike_across_labels(shards: Path, groups: Sequence[str], limit: int = BYTES) -> list[Alike]:
    """Pairs of labeled documents that are nearly the same and have different labels, the most alike first.

    Args:
        shards: folder of ``gradmask label``.
        groups: of the labeler, in the order of their ids.
        limit: bytes of text to compare. Of more, retain documents are sampled first.
    """
    batches = list(_within(sorted(shards.glob("*.parquet")), limit))
    if not batches:
        return []
    documents = Dataset(pa.Table.from_batches(batches))
    names = {RETAIN: "retain", **dict(enumerate(groups, 1))}

    def side(row: int) -> Side:
        one = documents[row]
        return Side(names[one["data_labels"]], one["id"] or "", one["text"])

    pairs = near_duplicates(survey_of(documents, groups), limit).pairs
    found = [Alike((side(pair.first), side(pair.second)), pair.similarity) for pair in pairs]
    return sorted(found, key=lambda one: (-one.similarity, one.sides))


def _within(files: Sequence[Path], limit: int) -> Iterator[pa.RecordBatch]:
    """Labeled rows of about ``limit`` bytes: half of it for the groups, half for retain."""
    sizes = {True: 1, False: 1}
    for batch in _batches(files):
        for text, own in zip(batch["text"].to_pylist(), _of_group(batch), strict=True):
            sizes[own] += len(text)
    shares = {own: limit / 2 / size for own, size in sizes.items()}
    for batch in _batches(files):
        rows = zip(batch["id"].to_pylist(), _of_group(batch), strict=True)
        yield batch.filter(pa.array([random_key(id or "", 0) / 2**64 < shares[own] for id, own in rows]))


def _batches(files: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(4096, columns=list(_COLUMNS)):
                labels: Any = batch["data_labels"]
                yield batch.filter(pa.array([label != UNLABELED for label in labels.to_pylist()]))


def _of_group(batch: pa.RecordBatch) -> list[bool]:
    return [label != RETAIN for label in batch["data_labels"].to_pylist()]
