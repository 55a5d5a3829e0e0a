"""Writing a stream of rows as the sharded Parquet that a `gradmask.data.streaming.Stream` reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gradmask.errors import GradmaskError


def write_shards(
    rows: Iterable[Mapping[str, Any]], folder: str | Path, rows_per_group: int = 1024, groups_per_file: int = 64
) -> list[Path]:
    """Write an iterable of rows, such as ``datasets.load_dataset(..., streaming=True)``, to sharded Parquet.

    Args:
        rows: all with the same columns; one row group of them is held in memory.
        folder: a new or empty folder.
        rows_per_group: rows that a `Stream` reads at a time, and holds for each lane and source.
        groups_per_file: row groups in each file.

    Returns:
        The files, ``part-00000.parquet`` and so on; each appears when it is complete.

    Raises:
        GradmaskError: the folder is not empty, there are no rows, or the columns of a row differ from those of the first.
    """
    target = Path(folder)
    if target.is_dir() and any(target.iterdir()):
        raise GradmaskError(f"{target} is not empty: give a new or empty folder for the shards")
    target.mkdir(parents=True, exist_ok=True)
    writer = _ShardWriter(target, rows_per_group, groups_per_file)
    try:
        for row in rows:
            writer.add(row)
        writer.flush()
        writer.close()
    finally:
        writer.discard()
    if not writer.files:
        raise GradmaskError("there are no rows to write")
    return writer.files


class _ShardWriter:
    def __init__(self, folder: Path, rows: int, groups: int) -> None:
        self.folder, self.rows, self.groups = folder, rows, groups
        self.files: list[Path] = []
        self._waiting: list[Mapping[str, Any]] = []
        self._schema: pa.Schema | None = None
        self._open: pq.ParquetWriter | None = None
        self._written = 0
        self._temporary = folder / ".part.tmp"

    def add(self, row: Mapping[str, Any]) -> None:
        self._waiting.append(row)
        if len(self._waiting) == self.rows:
            self.flush()

    def flush(self) -> None:
        """Write the waiting rows as one row group."""
        if not self._waiting:
            return
        table = self._table()
        if self._open is None:
            self._open = pq.ParquetWriter(self._temporary, table.schema, compression="zstd")
        self._open.write_table(table, row_group_size=len(table))
        self._waiting, self._written = [], self._written + 1
        if self._written == self.groups:
            self.close()

    def close(self) -> None:
        """Finish the current file and give it its final name."""
        if self._open is not None:
            self._open.close()
            target = self.folder / f"part-{len(self.files):05d}.parquet"
            self._temporary.replace(target)
            self.files.append(target)
        self._open, self._written = None, 0

    def discard(self) -> None:
        """Remove the file that was not finished, if any."""
        if self._open is not None:
            self._open.close()
        self._temporary.unlink(missing_ok=True)

    def _table(self) -> pa.Table:
        names = set(self._schema.names if self._schema else self._waiting[0])
        for row in self._waiting:
            if set(row) != names:
                raise GradmaskError(
                    f"a row has the columns {sorted(row)}, but the first row has {sorted(names)}: "
                    "all rows need the same columns"
                )
        table = pa.Table.from_pylist([dict(row) for row in self._waiting], schema=self._schema)
        self._schema = table.schema
        return table
