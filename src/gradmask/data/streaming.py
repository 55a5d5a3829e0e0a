"""Training examples from sharded Parquet far larger than memory, read in order.

Position ``k`` of a `Stream` is example ``k % batch_size`` of step ``k // batch_size``. The row at a position depends only on the
files, the shares, the batch size and the seed, not on the number of ranks or workers, nor on where a run was interrupted. To
resume after step ``s``, start at position ``s * batch_size``; nothing is read again.

The positions of a batch are divided into *lanes*, equal and contiguous. In each source, a lane reads row groups of its own,
shuffled in every pass, and the rows of each in shuffled order. A rank that takes a fixed part of every batch therefore reads
only its lanes' row groups, and a process holds one decoded row group for each of its lanes and sources. That, not the size of
the data, determines the memory that a stream needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch.utils.data import Dataset

from gradmask.errors import GradmaskError

LANES = 64
"""Largest number of lanes; a power of two, so that it divides the usual batch sizes and numbers of ranks."""
BLOCK = 256
"""Examples of a lane within which each source gets its share exactly, up to rounding that the next block makes up for."""


@dataclass(frozen=True)
class Shards:
    """One source of a `Stream`: Parquet files, how often they are drawn from, and the data label of their examples.

    Args:
        files: a pattern or a list of paths, local or any that fsspec opens (``hf://datasets/…``, ``s3://…``).
        share: fraction of the examples, relative to the shares of the other sources; they need not add up to 1.
        data_label: the id to add as ``data_labels``; by default the files must have that column.
    """

    files: str | Sequence[str]
    share: float = 1.0
    data_label: int | None = None


class Stream(Dataset):
    """The training examples of a run, by position.

    Args:
        sources: by name; the order of the names does not matter.
        batch_size: global batch size, the examples of all ranks in one step.
        steps: number of steps.
        seed: of the order.
        columns: to read; by default all.
        each: turns a row into an example, such as a tokenizer; it must depend only on the row.

    Raises:
        GradmaskError: no files, files without rows or without a needed column, a share that is not positive. While reading: a
            file that is damaged or was removed, by its name.
    """

    def __init__(
        self,
        sources: Mapping[str, Shards],
        batch_size: int,
        steps: int,
        seed: int = 0,
        columns: Sequence[str] | None = None,
        each: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        if not sources or batch_size < 1 or steps < 1:
            raise GradmaskError(
                f"a stream needs at least 1 source, batch_size 1 and 1 step, "
                f"got {len(sources)}, {batch_size} and {steps}"
            )
        self.names = sorted(sources)
        self.sources = [_Source(name, sources[name], seed, columns) for name in self.names]
        self.batch_size, self.steps, self.seed, self.each = batch_size, steps, seed, each
        # Every lane needs a row group of its own in each source, and an equal part of the batch.
        fewest = min(len(source.groups) for source in self.sources)
        self.lanes = max(n for n in range(1, LANES + 1) if math.gcd(batch_size, LANES) % n == 0 and n <= fewest)
        shares = np.array([sources[name].share for name in self.names], dtype=float)
        if not (np.isfinite(shares) & (shares > 0)).all():
            raise GradmaskError(
                f"shares must be positive and finite, got {dict(zip(self.names, shares.tolist(), strict=True))}"
            )
        self.shares = shares / shares.sum()
        # (source, lane) -> ((pass, row group), its rows): the one row group that each lane is reading.
        self._held: dict[tuple[int, int], tuple[tuple[int, int], pa.Table]] = {}

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        lane, source, place = self.locate(index)
        key, row = self.sources[source].find(lane, self.lanes, place)
        held = self._held.get((source, lane))
        if held is None or held[0] != key:
            self._held.pop((source, lane), None)  # freed before the next one is read: never two row groups of a lane
            self._held[source, lane] = held = (key, self.sources[source].read(key[1]))
        example = _row(held[1], row)
        label = self.sources[source].label
        if label is not None:
            example["data_labels"] = label
        return example if self.each is None else self.each(example)

    def locate(self, position: int) -> tuple[int, int, int]:
        """The lane of a position, its source, and how many examples the lane took from that source before it."""
        step, index = divmod(position, self.batch_size)
        width = self.batch_size // self.lanes
        lane = index // width
        block, offset = divmod(step * width + index % width, BLOCK)
        order, before = self._block(lane, block)
        source = int(order[offset])
        return lane, source, int(before[source]) + int((order[:offset] == source).sum())

    def _block(self, lane: int, block: int) -> tuple[np.ndarray, np.ndarray]:
        """The source of each example of a lane's block, and how often each source was drawn before the block."""
        return _drawn(self.seed, lane, block, tuple(self.shares.tolist()))

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "_held": {},
        }  # workers read their own row groups; all else is a function of the position


@lru_cache(maxsize=2 * LANES)
def _drawn(seed: int, lane: int, block: int, shares: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    phase = np.random.default_rng([seed, lane]).random()  # else all lanes would round in the same block
    ends = np.cumsum(shares)
    ends[-1] = 1.0  # not 1 - 1e-16: every block must be filled
    before, after = (np.diff(np.floor(ends * BLOCK * b + phase).astype(int), prepend=0) for b in (block, block + 1))
    order = np.repeat(np.arange(len(shares)), after - before)
    return np.random.default_rng([seed, lane, block]).permutation(order), before


class _Source:
    """The row groups of one source, and their order in each pass."""

    def __init__(self, name: str, shards: Shards, seed: int, columns: Sequence[str] | None) -> None:
        self.name, self.label, self.columns = name, shards.data_label, None if columns is None else list(columns)
        self.key = (seed, *name.encode())
        self._totals: dict[tuple[int, int], list[int]] = {}
        self._order: dict[int, tuple[int, int, np.ndarray, np.ndarray]] = {}
        self.groups: list[tuple[str, int]] = []
        self.rows: list[int] = []
        for path in _paths(name, shards.files):
            metadata, columns_there = _footer(path)
            self._check_columns(path, columns_there)
            for i in range(metadata.num_row_groups):
                if metadata.row_group(i).num_rows:
                    self.groups.append((path, i))
                    self.rows.append(metadata.row_group(i).num_rows)
        if not self.groups:
            raise GradmaskError(f"source {name!r}: its files have no rows")

    def find(self, lane: int, lanes: int, place: int) -> tuple[tuple[int, int], int]:
        """The (pass, row group) of a lane's example number ``place``, and its row there."""
        totals = self._totals.setdefault((lane, lanes), [])
        epoch = 0
        while place >= (total := self._total(totals, epoch, lane, lanes)):
            place, epoch = place - total, epoch + 1
        cached = self._order.get(lane)
        if cached is None or cached[:2] != (epoch, lanes):
            self._order[lane] = cached = (epoch, lanes, *self._lane_order(epoch, lane, lanes))
        _, _, order, ends = cached
        i = int(np.searchsorted(ends, place, side="right"))
        group, row = int(order[i]), place - (int(ends[i - 1]) if i else 0)
        return (epoch, group), int(_row_order(self.key, epoch, group, self.rows[group])[row])

    def _total(self, totals: list[int], epoch: int, lane: int, lanes: int) -> int:
        """Rows of a lane in one pass: they differ between passes, because its row groups do."""
        if epoch == len(totals):
            totals.append(int(self._lane_order(epoch, lane, lanes)[1][-1]))
        return totals[epoch]

    def _lane_order(self, epoch: int, lane: int, lanes: int) -> tuple[np.ndarray, np.ndarray]:
        """A lane's row groups in one pass over the data, and the number of rows up to the end of each."""
        order = np.random.default_rng([*self.key, epoch]).permutation(len(self.rows))[lane::lanes]
        return order, np.cumsum(np.asarray(self.rows)[order])

    def read(self, group: int) -> pa.Table:
        path, index = self.groups[group]
        try:
            with fsspec.open(path, "rb") as file:
                return pq.ParquetFile(file).read_row_group(index, columns=self.columns).combine_chunks()
        except FileNotFoundError:
            raise GradmaskError(f"{path} was removed: restore it unchanged, then resume the run") from None
        except (OSError, pa.ArrowException) as error:
            raise GradmaskError(f"{path}, row group {index}, cannot be read: {error}") from None

    def _check_columns(self, path: str, available: Sequence[str]) -> None:
        needed = [*(self.columns or ()), *(["data_labels"] if self.label is None else [])]
        missing = [column for column in needed if column not in available]
        if missing:
            hint = (
                ""
                if missing != ["data_labels"]
                else ". If all examples have one label, set it: Shards(..., data_label=1)"
            )
            raise GradmaskError(f"{path} has no column {missing[0]!r}; it has {', '.join(available)}{hint}")


@lru_cache(maxsize=8 * LANES)
def _row_order(key: tuple[int, ...], epoch: int, group: int, rows: int) -> np.ndarray:
    return np.random.default_rng([*key, epoch, group, 1]).permutation(rows)


def _paths(name: str, files: str | Sequence[str]) -> list[str]:
    patterns = [files] if isinstance(files, str) else list(files)
    paths = []
    for pattern in patterns:
        filesystem, path = fsspec.url_to_fs(pattern)
        matches = sorted(filesystem.glob(path)) if any(c in path for c in "*?[") else [path]
        paths += [filesystem.unstrip_protocol(match) for match in matches]
    if not paths:
        raise GradmaskError(f"source {name!r}: no file matches {', '.join(patterns)}")
    return paths


def _footer(path: str) -> tuple[pq.FileMetaData, list[str]]:
    try:
        with fsspec.open(path, "rb") as file:
            opened = pq.ParquetFile(file)
            return opened.metadata, opened.schema_arrow.names
    except FileNotFoundError:
        raise GradmaskError(f"there is no file {path}") from None
    except (OSError, pa.ArrowException) as error:
        raise GradmaskError(f"{path} is damaged or not a Parquet file: {error}") from None


def _row(table: pa.Table, row: int) -> dict[str, Any]:
    """A row as column -> value: lists of numbers as arrays, everything else as plain Python."""
    values = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        value = column[row]
        numbers = isinstance(value, pa.ListScalar) and pa.types.is_primitive(value.type.value_type)
        values[name] = value.values.to_numpy(zero_copy_only=False) if numbers and value.is_valid else value.as_py()
    return values
