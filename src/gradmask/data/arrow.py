"""Datasets made batch by batch, in memory or in an Arrow file that is mapped and not read; and their columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
from datasets import Dataset

ROWS = 1000
"""Handled at a time."""


def to_dataset(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path | None = None) -> Dataset:
    """A dataset of these batches; with a ``path`` they go to that file one after the other, and memory stays flat."""
    if path is None:
        return Dataset(pa.Table.from_batches(batches, schema))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        for batch in batches:
            stream.write_batch(batch)
    return Dataset.from_file(str(path))


def batches_of(dataset: Dataset, rows: int = ROWS) -> Iterator[dict[str, list[Any]]]:
    """Plain values, column by column, ``rows`` rows at a time."""
    return cast(Any, dataset.with_format(None)).iter(rows)


def columns_of(dataset: Dataset, names: Sequence[str]) -> Iterator[tuple]:
    """The values of these columns, row after row."""
    for batch in batches_of(cast(Dataset, dataset.select_columns(list(names)))):
        yield from zip(*(batch[name] for name in names), strict=True)


def column(dataset: Dataset, name: str) -> np.ndarray:
    """A whole column."""
    return np.asarray(dataset[name][:])


def with_column(dataset: Dataset, name: str, values: Sequence[Any] | np.ndarray) -> Dataset:
    """With this column in place of what was called so."""
    kept: Any = dataset.remove_columns(name) if name in dataset.column_names else dataset
    return kept.add_column(name, values)


def picked(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """These rows, by index or by truth; nothing is copied."""
    return cast(Dataset, dataset.select(np.flatnonzero(rows) if rows.dtype == bool else rows))
