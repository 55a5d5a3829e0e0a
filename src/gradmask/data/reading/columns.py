"""Which columns of a table a source needs."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from gradmask.data.reading.fields import column_of, no_field
from gradmask.data.spec import SourceSpec


def columns_to_read(source: SourceSpec, schema: pa.Schema, where: str) -> list[str]:
    """The columns that hold the fields of a source.

    Raises:
        GradmaskError: a field that is needed is missing.
    """
    available = [name for field in schema for name in _names(field)]
    columns: list[str] = []
    for name in source.fields:
        column = column_of(name, schema.names)
        inside = column == name or name in available
        if column is not None and inside:
            columns.append(column)
        elif name in source.required_fields:
            raise no_field(where, name, available)
    return list(dict.fromkeys(columns))


def _names(field: pa.Field, prefix: str = "") -> Iterator[str]:
    """The names of a column and of what is inside of it."""
    if not pa.types.is_struct(field.type):
        yield prefix + field.name
        return
    for inner in field.type:
        yield from _names(inner, f"{prefix}{field.name}.")
