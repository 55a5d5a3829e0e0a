"""Labeled documents as Parquet shards, each written under another name and renamed when it is whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS, CHARACTERS = 1024, 4_000_000


class Sizes(NamedTuple):
    """How labeled documents are divided.

    Attributes:
        rows, characters: of a row group, at most (the last document may exceed it): what is held in memory, and what a
            `gradmask.data.Stream` holds for each of its lanes.
        row_groups: of a shard: what is lost of the work when it is interrupted.
        portion: bytes of input files that one process takes at a time; a larger file is taken whole.
    """

    rows: int = ROWS
    characters: int = CHARACTERS
    row_groups: int = 64
    portion: int = 64 * 2**20


SCORE = "score_"
"""What the name of a group's column of scores begins with."""
SPANS = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64()), ("label", pa.string())]))
_FEW_VALUES = ("domain", "split", "label", "truth")


def schema_of(groups: Sequence[str], truth: bool = False, spans: bool = False) -> pa.Schema:
    """The columns of a shard. ``domain``, ``split`` and ``truth`` are null where the input has none, ``label`` for unlabeled."""
    optional = [*[("truth", pa.string())] * truth, *[("spans", SPANS)] * spans]
    return pa.schema(
        [
            ("text", pa.string()),
            ("id", pa.string()),
            ("domain", pa.string()),
            ("split", pa.string()),
            *optional,
            ("label", pa.string()),
            *((SCORE + group, pa.float64()) for group in groups),
            ("data_labels", pa.int64()),
        ]
    )


class ShardWriter:
    """The shards of one portion: ``part-PORTION-NUMBER.parquet``.

    Args:
        folder: where.
        portion: its number.
        schema: of all shards.
        number: of the first shard to write; earlier ones are there.
    """

    def __init__(self, folder: Path, portion: int, schema: pa.Schema, number: int = 0) -> None:
        self.folder, self.portion, self.schema, self.number = folder, portion, schema, number
        self.row_groups = self.rows = 0
        self._temporary = folder / f".part-{portion:05d}.tmp"
        self._open: pq.ParquetWriter | None = None

    def add(self, columns: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
        """Write one row group."""
        arrays = [pa.array(columns[field.name], field.type) for field in self.schema]
        table = pa.Table.from_arrays(arrays, schema=self.schema)
        if self._open is None:
            dictionary: Any = [name for name in _FEW_VALUES if name in self.schema.names]
            self._open = pq.ParquetWriter(
                self._temporary, self.schema, compression="zstd", use_dictionary=dictionary, write_statistics=False
            )
        self._open.write_table(table, row_group_size=len(table))
        self.row_groups, self.rows = self.row_groups + 1, self.rows + len(table)

    def close(self) -> tuple[str, int] | None:
        """Finish the open shard and give it its name. Returns that and its rows; None without rows."""
        if self._open is None:
            return None
        self._open.close()
        name, rows = f"part-{self.portion:05d}-{self.number:05d}.parquet", self.rows
        self._temporary.replace(self.folder / name)
        self._open, self.row_groups, self.rows, self.number = None, 0, 0, self.number + 1
        return name, rows

    def discard(self) -> None:
        """Remove the shard that was not finished, if any."""
        if self._open is not None:
            self._open.close()
        self._temporary.unlink(missing_ok=True)
