"""Rows of Parquet files, restricted to the fields that a source names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet

from gradmask.data.arrow import ROWS
from gradmask.data.reading.columns import columns_to_read
from gradmask.data.reading.content import described
from gradmask.data.reading.counts import Row, Skipped
from gradmask.data.reading.opening import COMPRESSIONS, first_line
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError

_BATCH_BYTES = 1e6
"""Of rows that are decoded at a time, roughly: a stream reads many files side by side."""
_BUFFER = 1 << 20
"""Bytes of a column that are read at a time; by default, as many as a row group has."""


def parquet_rows(path: Path, source: SourceSpec) -> Iterator[Row | Skipped]:
    """The rows of a Parquet file, read in batches.

    Raises:
        GradmaskError: it is damaged or of another kind, or a field is missing.
    """
    _require_parquet(path)
    number = 0
    try:
        # reading ahead, which is on by default, would hold 32 MB of every file that is open
        file = pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
        columns = columns_to_read(source, file.schema_arrow, str(path))
        for batch in file.iter_batches(_batch_rows(file.metadata), columns=columns):
            for values in batch.to_pylist():
                number += 1
                yield Row(f"{path}, row {number}", values)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise GradmaskError(
            f"{path} is damaged or not a Parquet file, after row {number}: {first_line(error)}"
        ) from None


def _batch_rows(metadata: pyarrow.parquet.FileMetaData) -> int:
    """Rows to decode at a time: few where documents are long."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    widest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1.0)
    return max(1, min(ROWS, int(_BATCH_BYTES / max(1.0, widest))))


def _require_parquet(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"PAR1"):
        return
    other = described(head)
    if head.startswith(tuple(COMPRESSIONS)):
        other = "compressed as a whole, but Parquet compresses itself: unpack it"
    elif other is None and head.lstrip().startswith((b"{", b"[")):
        other = f"JSON: write kind: {'jsonl' if head.lstrip().startswith(b'{') else 'json'}"
    if other:
        raise GradmaskError(f"{path} is {other} (given as kind: parquet)")
