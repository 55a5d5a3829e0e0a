"""Datasets built batch by batch, in memory or as a memory-mapped Arrow file; and access to their columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
from datasets import Dataset

ROWS = 1000
"""In a batch."""


def to_dataset(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path | None = None) -> Dataset:
    """A dataset of these batches. With a ``path`` they are streamed to that file, so memory does not grow with the data."""
    if path is None:
        return Dataset(pa.Table.from_batches(batches, schema))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        for batch in batches:
            stream.write_batch(batch)
    return Dataset.from_file(str(path))


def batches_of(dataset: Dataset, rows: int = ROWS) -> Iterator[dict[str, list[Any]]]:
    """Batches of ``rows`` rows as column -> plain values."""
    return cast(Any, dataset.with_format(None)).iter(rows)


def columns_of(dataset: Dataset, names: Sequence[str]) -> Iterator[tuple]:
    """The values of these columns, row by row."""
    for batch in batches_of(cast(Dataset, dataset.select_columns(list(names)))):
        yield from zip(*(batch[name] for name in names), strict=True)


def column(dataset: Dataset, name: str) -> np.ndarray:
    """A whole column as an array."""
    return np.asarray(dataset[name][:])


def with_column(dataset: Dataset, name: str, values: Sequence[Any] | np.ndarray) -> Dataset:
    """The dataset with this column added, or replaced if it has one of that name."""
    others: Any = dataset.remove_columns(name) if name in dataset.column_names else dataset
    return others.add_column(name, values)


def select_rows(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """The rows at these indices or, with a mask ``[rows]``, where it is true. Nothing is copied."""
    return cast(Dataset, dataset.select(np.flatnonzero(rows) if rows.dtype == bool else rows))
