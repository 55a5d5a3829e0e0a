"""Training examples from sharded Parquet far larger than memory: a dataset that is never held, and is read in order.

Position ``k`` of a `Stream` is example ``k % batch_size`` of step ``k // batch_size``. Which row of which source stands there
depends on the files, the shares, the batch size and the seed alone: not on the number of ranks or workers, nor on where a run was
interrupted. To go on after step ``s``, begin at position ``s * batch_size``; nothing has to be read again.

A batch is cut into *lanes*, equal runs of its positions. In each source a lane goes through row groups of its own, shuffled anew in
every pass, and through the rows of each in a shuffled order. A rank that holds a part of every batch therefore reads only its
lanes' row groups, and a process holds one decoded row group for each of its lanes and sources: that, and not the size of
the data, is the memory that a stream needs.
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
"""At most; a power of two, so that it divides usual batch sizes and numbers of ranks."""
BLOCK = 256
"""Examples of a lane over which each source gets exactly its share, but for what rounding leaves to the next block."""


@dataclass(frozen=True)
class Shards:
    """One source: Parquet files, how often it is drawn from, and the data label of its examples.

    Args:
        files: a pattern or a list of paths; whatever fsspec opens (``hf://datasets/…``, ``s3://…``) as well as local ones.
        share: of all examples, relative to the shares of the other sources.
        data_label: the id to add as ``data_labels``; by default the files have that column.
    """

    files: str | Sequence[str]
    share: float = 1.0
    data_label: int | None = None


class Stream(Dataset):
    """The examples of a run, by position.

    Args:
        sources: by name; the order of the names does not matter.
        batch_size: examples in each step, of all ranks together.
        steps: how many.
        seed: of the order.
        columns: those to read; by default all.
        each: makes an example of a row, such as a tokenizer for text; it must depend on the row alone.

    Raises:
        GradmaskError: no files, files without rows or columns, a share that is not positive; later, a file that is damaged or
            gone, by its name.
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
            raise GradmaskError("a stream needs at least one source, one example in a batch, and one step")
        self.names = sorted(sources)
        self.sources = [_Source(name, sources[name], seed, columns) for name in self.names]
        self.batch_size, self.steps, self.seed, self.each = batch_size, steps, seed, each
        fewest = min(len(source.groups) for source in self.sources)
        self.lanes = max(n for n in range(1, LANES + 1) if math.gcd(batch_size, LANES) % n == 0 and n <= fewest)
        shares = np.array([sources[name].share for name in self.names], dtype=float)
        if not (np.isfinite(shares) & (shares > 0)).all():
            raise GradmaskError(
                f"shares must be positive numbers, got {dict(zip(self.names, shares.tolist(), strict=True))}"
            )
        self.shares = shares / shares.sum()
        self._held: dict[tuple[int, int], tuple[tuple[int, int], pa.Table]] = {}

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        lane, source, place = self.locate(index)
        found, row = self.sources[source].find(lane, self.lanes, place)
        held = self._held.get((source, lane))
        if held is None or held[0] != found:
            self._held.pop((source, lane), None)
            self._held[source, lane] = held = (found, self.sources[source].read(found[1]))
        example = _row(held[1], row)
        label = self.sources[source].label
        if label is not None:
            example["data_labels"] = label
        return example if self.each is None else self.each(example)

    def locate(self, position: int) -> tuple[int, int, int]:
        """The lane of a position, its source, and how many examples the lane has had from that source before."""
        step, index = divmod(position, self.batch_size)
        each = self.batch_size // self.lanes
        lane = index // each
        block, offset = divmod(step * each + index % each, BLOCK)
        order, before = self._block(lane, block)
        source = int(order[offset])
        return lane, source, int(before[source]) + int((order[:offset] == source).sum())

    def _block(self, lane: int, block: int) -> tuple[np.ndarray, np.ndarray]:
        """The sources of a lane's block, in order, and how often each was drawn before it."""
        return _drawn(self.seed, lane, block, tuple(self.shares.tolist()))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": {}}


@lru_cache(maxsize=2 * LANES)
def _drawn(seed: int, lane: int, block: int, shares: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    phase = np.random.default_rng([seed, lane]).random()  # lanes round at different times
    ends = np.cumsum(shares)
    ends[-1] = 1.0
    before, after = (np.diff(np.floor(ends * BLOCK * b + phase).astype(int), prepend=0) for b in (block, block + 1))
    order = np.repeat(np.arange(len(shares)), after - before)
    return np.random.default_rng([seed, lane, block]).permutation(order), before


class _Source:
    """The row groups of one source, and their order in every pass."""

    def __init__(self, name: str, shards: Shards, seed: int, columns: Sequence[str] | None) -> None:
        self.name, self.label, self.columns = name, shards.data_label, None if columns is None else list(columns)
        self.key = (seed, *name.encode())
        self._totals: dict[tuple[int, int], list[int]] = {}
        self._order: dict[int, tuple[int, int, np.ndarray, np.ndarray]] = {}
        self.groups: list[tuple[str, int]] = []
        self.rows: list[int] = []
        for path in _paths(name, shards.files):
            metadata, found = _footer(path)
            self._check_columns(path, found)
            for i in range(metadata.num_row_groups):
                if metadata.row_group(i).num_rows:
                    self.groups.append((path, i))
                    self.rows.append(metadata.row_group(i).num_rows)
        if not self.groups:
            raise GradmaskError(f"source {name!r}: its files hold no rows")

    def find(self, lane: int, lanes: int, place: int) -> tuple[tuple[int, int], int]:
        """The pass and the row group, and the row in it, of a lane's example number ``place``."""
        totals = self._totals.setdefault((lane, lanes), [])
        turn = 0
        while place >= (total := self._total(totals, turn, lane, lanes)):
            place, turn = place - total, turn + 1
        held = self._order.get(lane)
        if held is None or held[:2] != (turn, lanes):
            self._order[lane] = held = (turn, lanes, *self._lane_order(turn, lane, lanes))
        _, _, order, ends = held
        at = int(np.searchsorted(ends, place, side="right"))
        group, row = int(order[at]), place - (int(ends[at - 1]) if at else 0)
        return (turn, group), int(_row_order(self.key, turn, group, self.rows[group])[row])

    def _total(self, totals: list[int], turn: int, lane: int, lanes: int) -> int:
        if turn == len(totals):
            totals.append(int(self._lane_order(turn, lane, lanes)[1][-1]))
        return totals[turn]

    def _lane_order(self, turn: int, lane: int, lanes: int) -> tuple[np.ndarray, np.ndarray]:
        """A lane's row groups in one pass over the data, and how many rows there are up to the end of each."""
        order = np.random.default_rng([*self.key, turn]).permutation(len(self.rows))[lane::lanes]
        return order, np.cumsum(np.asarray(self.rows)[order])

    def read(self, group: int) -> pa.Table:
        path, index = self.groups[group]
        try:
            with fsspec.open(path, "rb") as file:
                return pq.ParquetFile(file).read_row_group(index, columns=self.columns).combine_chunks()
        except FileNotFoundError:
            raise GradmaskError(
                f"{path} is gone: put it back as it was, and start again where the run stopped"
            ) from None
        except (OSError, pa.ArrowException) as error:
            raise GradmaskError(f"{path}, row group {index}, cannot be read: {error}") from None

    def _check_columns(self, path: str, found: Sequence[str]) -> None:
        needed = [*(self.columns or ()), *(["data_labels"] if self.label is None else [])]
        missing = [column for column in needed if column not in found]
        if missing:
            hint = (
                ""
                if missing != ["data_labels"]
                else ", or say which label all examples have: Shards(..., data_label=1)"
            )
            raise GradmaskError(f"{path} has no column {missing[0]!r}; it has {', '.join(found)}{hint}")


@lru_cache(maxsize=8 * LANES)
def _row_order(key: tuple[int, ...], turn: int, group: int, rows: int) -> np.ndarray:
    return np.random.default_rng([*key, turn, group, 1]).permutation(rows)


def _paths(name: str, files: str | Sequence[str]) -> list[str]:
    patterns = [files] if isinstance(files, str) else list(files)
    found = []
    for pattern in patterns:
        filesystem, path = fsspec.url_to_fs(pattern)
        matches = sorted(filesystem.glob(path)) if any(c in path for c in "*?[") else [path]
        found += [filesystem.unstrip_protocol(match) for match in matches]
    if not found:
        raise GradmaskError(f"source {name!r}: nothing matches {', '.join(patterns)}")
    return found


def _footer(path: str) -> tuple[pq.FileMetaData, list[str]]:
    try:
        with fsspec.open(path, "rb") as file:
            opened = pq.ParquetFile(file)
            return opened.metadata, opened.schema_arrow.names
    except FileNotFoundError:
        raise GradmaskError(f"there is no file {path}") from None
    except (OSError, pa.ArrowException) as error:
        raise GradmaskError(f"{path} is no Parquet file, or damaged: {error}") from None


def _row(table: pa.Table, row: int) -> dict[str, Any]:
    """Lists of numbers as arrays, everything else as Python has it."""
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        value = column[row]
        numbers = isinstance(value, pa.ListScalar) and pa.types.is_primitive(value.type.value_type)
        found[name] = value.values.to_numpy(zero_copy_only=False) if numbers and value.is_valid else value.as_py()
    return found
