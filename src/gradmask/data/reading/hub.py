"""Rows of Hugging Face datasets, by name or folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, load_dataset, load_from_disk

from gradmask.data.arrow import batches_of
from gradmask.data.kinds import is_saved
from gradmask.data.reading.columns import columns_to_read
from gradmask.data.reading.counts import Row
from gradmask.data.reading.opening import first_line
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError


def hub_rows(path: str, source: SourceSpec) -> Iterator[Row]:
    """The rows of a dataset. Its parts ``test`` and ``validation`` are held out.

    Raises:
        GradmaskError: it cannot be opened, or a field is missing.
    """
    loaded = _open(path, source.subset)
    parts = loaded if isinstance(loaded, DatasetDict) else {"train": loaded}
    for name, part in parts.items():
        where = f"{path}/{name}"
        needed: Any = part.select_columns(columns_to_read(source, part.features.arrow_schema, where))
        split = None if len(parts) == 1 else "test" if name in ("test", "validation") else "train"
        for i, values in enumerate(_one_by_one(needed)):
            yield Row(f"{where}, row {i}", values, split)


def _open(path: str, subset: str | None) -> Dataset | DatasetDict:
    folder = Path(path).expanduser()
    try:
        if is_saved(folder):
            return load_from_disk(folder)
        return load_dataset(str(folder) if folder.exists() else path, subset)
    except Exception as error:  # datasets raises the errors of every library below it
        raise GradmaskError(f"the dataset {path!r} cannot be opened: {first_line(error)}") from None


def _one_by_one(part: Dataset) -> Iterator[dict[str, Any]]:
    """Rows as plain values; class labels as their names."""
    named = {name: feature for name, feature in part.features.items() if isinstance(feature, ClassLabel)}
    for batch in batches_of(part):
        columns = dict(batch)
        for name, feature in named.items():
            columns[name] = [None if value is None else feature.int2str(value) for value in columns[name]]
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))
