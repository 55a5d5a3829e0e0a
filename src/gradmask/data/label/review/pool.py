"""The documents that a review chooses from: all of a small corpus; of a large one a random part, likely ones and close ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from gradmask.data.label.review.choosing import distance
from gradmask.errors import GradmaskError

MOST, MOST_BYTES = 20_000, 256 * 2**20
"""Documents, and bytes of their text, that a review holds in memory."""
SCORE = "score_"


@dataclass(frozen=True)
class Document:
    """A document that can be reviewed; ``place`` says where it lies."""

    id: str
    text: str
    domain: str = ""
    place: str = ""


@dataclass
class Pool:
    """Documents, their scores ``[documents, groups]`` so far, and a random order that follows from their ids alone."""

    documents: list[Document]
    scores: np.ndarray
    order: np.ndarray
    total: int
    """Documents of the corpus."""

    @classmethod
    def of(cls, documents: Sequence[Document], scores: np.ndarray, seed: int = 0) -> Pool:
        """A pool of all of these."""
        order = np.array([random_key(document.id, seed) for document in documents], dtype=np.uint64)
        return cls(list(documents), np.asarray(scores, dtype=float), order, len(documents))

    def joined(self, other: Pool) -> Pool:
        """Both pools as one."""
        scores, order = np.concatenate([self.scores, other.scores]), np.concatenate([self.order, other.order])
        return Pool(self.documents + other.documents, scores, order, len(order))

    def first(self, count: int) -> Pool:
        """The ``count`` documents that come first in the random order."""
        rows = np.sort(np.argsort(self.order, kind="stable")[:count])
        return Pool([self.documents[row] for row in rows], self.scores[rows], self.order[rows], self.total)


def random_key(id: str, seed: int) -> int:
    """A number between 0 and 2^64 by which documents are put into a random order, the same however they are stored."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{id}".encode(), digest_size=8).digest(), "big")


def read_pool(shards: Path, groups: Sequence[str], thresholds: np.ndarray, seed: int = 0, most: int = MOST) -> Pool:
    """The documents of ``shards/*.parquet``, in bounded memory.

    Where there are more than ``most``, half of those taken come first in the random order, a quarter have the highest
    scores and a quarter are closest to a threshold. The random ones stay a uniform sample of the whole corpus.

    Raises:
        GradmaskError: there are no shards, or they lack a score of a group.
    """
    files = sorted(shards.glob("*.parquet"))
    if not files:
        raise GradmaskError(f"{shards} holds no Parquet shards: label the documents first (gradmask label)")
    places, total = _rows_to_take(files, groups, thresholds, seed, most)
    pool = Pool.of([], np.empty((0, len(groups))), seed)
    for some, scores in _read(files, groups, places):
        pool = _within(pool.joined(Pool.of(some, scores, seed)), MOST_BYTES)
    pool.total = total
    return pool


def _within(pool: Pool, most_bytes: int) -> Pool:
    """The pool, without what comes last in the random order where its text is too long in total."""
    sizes = np.array([len(document.text) for document in pool.documents])
    if sizes.sum() <= most_bytes:
        return pool
    fits = int(np.searchsorted(np.cumsum(sizes[np.argsort(pool.order, kind="stable")]), most_bytes, side="right"))
    return pool.first(max(fits, 1))


def _batches(files: Sequence[Path], columns: Sequence[str]) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """(File, row of the first, columns that there are) per batch."""
    for path in files:
        with pq.ParquetFile(path) as file:
            start = 0
            for batch in file.iter_batches(4096, columns=[c for c in columns if c in file.schema_arrow.names]):
                yield path, start, dict(zip(batch.schema.names, batch.columns, strict=True))
                start += batch.num_rows


def _rows_to_take(
    files: Sequence[Path], groups: Sequence[str], thresholds: np.ndarray, seed: int, most: int
) -> tuple[dict[Path, set[int]], int]:
    """Which rows of which file to read, and how many rows there are."""
    quotas = (most // 2, most // 4, most // 4)
    best: list[list[tuple[float, str, int]]] = [[], [], []]
    total = 0
    for path, start, batch in _batches(files, ["id", *(SCORE + g for g in groups)]):
        scores, ids = _scores(batch, groups, path), batch["id"].to_pylist()
        keys = np.array([random_key(i, seed) / 2**64 for i in ids])
        ranks = (keys, -scores.max(axis=1), distance(scores, thresholds))
        total += len(ids)
        for k, (rank, quota) in enumerate(zip(ranks, quotas, strict=True)):
            nearest = np.argsort(rank, kind="stable")[: most if k == 0 else quota]
            best[k] += [(float(rank[i]), str(path), start + int(i)) for i in nearest]
            best[k] = sorted(best[k])[: most if k == 0 else quota]
    if total > most:
        best[0] = best[0][: quotas[0]]
    places: dict[Path, set[int]] = {}
    for _, path, row in (place for kind in best for place in kind):
        places.setdefault(Path(path), set()).add(row)
    return places, total


def _read(
    files: Sequence[Path], groups: Sequence[str], places: dict[Path, set[int]]
) -> Iterator[tuple[list[Document], np.ndarray]]:
    """Documents and their scores, batch by batch."""
    for path, start, batch in _batches(files, ["id", "text", "domain", "split", *(SCORE + g for g in groups)]):
        rows = sorted(row - start for row in places.get(path, ()) if 0 <= row - start < len(batch["id"]))
        if rows:
            yield [_document(batch, row) for row in rows], _scores(batch, groups, path)[rows]


def _document(batch: dict[str, Any], row: int) -> Document:
    values = {name: column[row].as_py() or "" for name, column in batch.items() if not name.startswith(SCORE)}
    place = " ".join(part for part in (values["id"], values.get("split", "")) if part)
    return Document(values["id"], values["text"], values.get("domain", ""), place)


def _scores(batch: dict[str, Any], groups: Sequence[str], path: Path) -> np.ndarray:
    for group in groups:
        if SCORE + group not in batch:
            raise GradmaskError(f"{path} has no column {SCORE + group}: these shards were made without that group")
    return np.stack([batch[SCORE + g].to_numpy(zero_copy_only=False) for g in groups], axis=1).astype(float)
