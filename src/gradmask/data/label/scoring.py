"""Labeling one portion of the input: read, score, write, shard by shard."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gradmask.data.label.deciding import Decider
from gradmask.data.label.portions import Portion
from gradmask.data.label.shards import SCORE, ShardWriter, Sizes
from gradmask.data.reading import Document, SourceCounts, read
from gradmask.files import write_whole

SHARDS, RECORDS = "shards", "records"
BINS = 50
"""Of the histogram of scores between 0 and 1."""

Progress = Callable[[int], None]
"""Takes the bytes of text that were labeled since the last call."""


@dataclass
class Totals:
    """What documents were written: for each label their number and bytes of text, for each group a histogram of scores.

    ``spans`` is the number of spans for each label.
    """

    documents: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    spans: Counter[str] = field(default_factory=Counter)
    histograms: dict[str, list[int]] = field(default_factory=dict)

    def add(self, other: Totals) -> None:
        """Add those of other documents."""
        self.documents += other.documents
        self.bytes += other.bytes
        self.spans += other.spans
        for group, counts in other.histograms.items():
            before = self.histograms.get(group, [0] * len(counts))
            self.histograms[group] = [a + b for a, b in zip(before, counts, strict=True)]

    @classmethod
    def of(cls, values: dict[str, Any]) -> Totals:
        """From JSON."""
        documents, sizes, spans = (Counter[str](values[name]) for name in ("documents", "bytes", "spans"))
        return cls(documents, sizes, spans, values["histograms"])

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        counters = {name: dict(sorted(getattr(self, name).items())) for name in ("documents", "bytes", "spans")}
        return {**counters, "histograms": self.histograms}


@dataclass
class Record:
    """The finished shards of a portion, in a file that is written whole after each of them.

    ``counts`` are those of the whole portion, and there only when it is finished.
    """

    shards: list[dict[str, Any]] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    counts: dict[str, Any] | None = None

    @classmethod
    def read(cls, path: Path) -> Record:
        """The record in a file; an empty one without the file."""
        if not path.exists():
            return cls()
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(values["shards"], Totals.of(values["totals"]), values["counts"])

    def write(self, path: Path) -> None:
        values = {"shards": self.shards, "totals": self.totals.to_dict(), "counts": self.counts}
        write_whole(path, json.dumps(values, indent=1) + "\n")

    @property
    def rows(self) -> int:
        """Documents in the finished shards."""
        return sum(shard["rows"] for shard in self.shards)


@dataclass(frozen=True)
class Work:
    """What all portions have in common.

    Args:
        decider: gives scores, labels and spans.
        schema: of the shards.
        folder: for ``shards/`` and ``records/``.
        sizes: of row groups and shards.
    """

    decider: Decider
    schema: pa.Schema
    folder: Path
    sizes: Sizes

    def record(self, portion: Portion) -> Path:
        """The file that remembers the finished shards of a portion."""
        return self.folder / RECORDS / f"{portion.number:05d}.json"

    def label(self, portion: Portion, progress: Progress | None = None) -> Record:
        """Label a portion, from where an earlier call was interrupted.

        Raises:
            GradmaskError: see `gradmask.data.reading.read`.
        """
        state = Record.read(self.record(portion))
        if state.counts is not None:
            return state
        counts = SourceCounts(portion.source.name)
        documents = read(portion.source, counts=counts)
        writer = ShardWriter(self.folder / SHARDS, portion.number, self.schema, len(state.shards))
        try:
            self._write(islice(documents, state.rows, None), writer, state, progress)
        finally:
            writer.discard()
        state.counts = counts.to_dict()
        state.write(self.record(portion))
        return state

    def _write(
        self, documents: Iterable[Document], writer: ShardWriter, state: Record, progress: Progress | None
    ) -> None:
        path, totals = self.folder / RECORDS / f"{writer.portion:05d}.json", Totals()
        for batch in batches_of(documents, self.sizes.rows, self.sizes.characters):
            columns = self.decider.columns(batch)
            writer.add({name: columns[name] for name in self.schema.names})
            totals.add(totals_of(batch, columns, self.decider.groups))
            if writer.row_groups == self.sizes.row_groups:
                _finish(writer, state, totals, path)
                totals = Totals()
            if progress:
                progress(sum(document.size for document in batch))
        _finish(writer, state, totals, path)


def _finish(writer: ShardWriter, state: Record, totals: Totals, record: Path) -> None:
    shard = writer.close()
    if shard is not None:
        state.shards.append(dict(zip(("file", "rows"), shard, strict=True)))
        state.totals.add(totals)
        state.write(record)


def batches_of(documents: Iterable[Document], rows: int, characters: int) -> Iterator[list[Document]]:
    """Documents in runs of at most ``rows``, each ending where it has ``characters``."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if len(batch) == rows or size >= characters:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def totals_of(batch: Sequence[Document], columns: dict[str, Any], groups: Sequence[str]) -> Totals:
    """Of one batch of documents and their columns."""
    totals = Totals()
    for document, label in zip(batch, columns["label"], strict=True):
        totals.documents[label or "unlabeled"] += 1
        totals.bytes[label or "unlabeled"] += document.size
    totals.spans.update(span["label"] for spans in columns["spans"] or () for span in spans)
    for group in groups:
        totals.histograms[group] = np.histogram(columns[SCORE + group], BINS, (0.0, 1.0))[0].tolist()
    return totals
