"""Rows of Parquet files and Hugging Face datasets, restricted to the fields that a source names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet
from datasets import ClassLabel, Dataset, DatasetDict, load_dataset, load_from_disk

from gradmask.data.arrow import ROWS, batches_of
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError, did_you_mean


class Row(NamedTuple):
    """Named values, their place for messages, and the split of the part of the dataset that they are in, if it has one."""

    where: str
    values: dict[str, Any]
    part: str | None


def parquet_rows(path: Path, source: SourceSpec) -> Iterator[Row]:
    """The rows of a Parquet file, read in batches.

    Raises:
        GradmaskError: it is damaged, or a field is missing.
    """
    number = 0
    try:
        file = pyarrow.parquet.ParquetFile(path)
        columns = _fields(source, file.schema_arrow.names, str(path))
        for batch in file.iter_batches(ROWS, columns=columns):
            for values in batch.to_pylist():
                number += 1
                yield Row(f"{path}, row {number}", values, None)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise GradmaskError(
            f"{path} is damaged or not a Parquet file, after row {number}: {_first_line(error)}"
        ) from None


def hub_rows(source: SourceSpec) -> Iterator[Row]:
    """The rows of a Hugging Face dataset, by name or path. Its parts ``test`` and ``validation`` are held out.

    Raises:
        GradmaskError: it cannot be opened, or a field is missing.
    """
    assert source.path is not None
    loaded = _open(source.path, source.subset)
    parts = loaded if isinstance(loaded, DatasetDict) else {"train": loaded}
    for name, part in parts.items():
        where = f"{source.path}/{name}"
        needed: Any = part.select_columns(_fields(source, part.column_names, where))
        split = None if len(parts) == 1 else "test" if name in ("test", "validation") else "train"
        for i, values in enumerate(_one_by_one(needed)):
            yield Row(f"{where}, row {i}", values, split)


def _open(path: str, subset: str | None) -> Dataset | DatasetDict:
    folder = Path(path).expanduser()
    try:
        if (folder / "dataset_info.json").exists() or (folder / "dataset_dict.json").exists():
            return load_from_disk(folder)
        return load_dataset(str(folder) if folder.exists() else path, subset)
    except Exception as error:  # datasets raises the errors of every library below it
        raise GradmaskError(f"the dataset {path!r} cannot be opened: {_first_line(error)}") from None


def _one_by_one(part: Dataset) -> Iterator[dict[str, Any]]:
    """Rows as plain values; class labels as their names."""
    named = {name: feature for name, feature in part.features.items() if isinstance(feature, ClassLabel)}
    for batch in batches_of(part):
        columns = dict(batch)
        for name, feature in named.items():
            columns[name] = [None if value is None else feature.int2str(value) for value in columns[name]]
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))


def _fields(source: SourceSpec, available: list[str], where: str) -> list[str]:
    """The columns to read."""
    needed = [source.text_field, *source.label_fields]
    needed += [source.topic_field] if source.topic_field else []
    if source.domain is None and source.domain_field and (source.domain_required or source.domain_field in available):
        needed.append(source.domain_field)
    if source.id_field in available or source.id_field not in (None, "id"):
        needed.append(str(source.id_field))
    if source.split_field is not None and (source.split_field != "split" or "split" in available):
        needed.append(source.split_field)
    for name in needed:
        if name not in available:
            raise GradmaskError(
                f"{where}: no field {name!r}.{did_you_mean(name, available)} Fields: {', '.join(available) or 'none'}"
            )
    return list(dict.fromkeys(needed))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
