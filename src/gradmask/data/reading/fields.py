"""Fields of a row by name; ``meta.pile_set_name`` is the field inside of the field ``meta``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gradmask.errors import GradmaskError, did_you_mean

MISSING: Any = object()
_SHOWN = 30


def lookup(values: Mapping[str, Any], name: str) -> Any:
    """The value of a field, `MISSING` without one. A field whose own name has the dot comes before a field inside of another."""
    if name in values:
        return values[name]
    for at in (i for i, character in enumerate(name) if character == "."):
        inner = values.get(name[:at])
        if isinstance(inner, Mapping) and (value := lookup(inner, name[at + 1 :])) is not MISSING:
            return value
    return MISSING


def picked(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """These fields by their whole names, as far as the row has them."""
    pairs = ((name, lookup(values, name)) for name in names)
    return {name: value for name, value in pairs if value is not MISSING}


def column_of(name: str, columns: Iterable[str]) -> str | None:
    """The column of a table that holds a field, None without one."""
    columns = set(columns)
    return next((part for part in [name, *_heads(name)] if part in columns), None)


def field_names(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The names of a row's fields; those inside of others by their whole names."""
    names: list[str] = []
    for name, value in values.items():
        names += field_names(value, f"{prefix}{name}.") if isinstance(value, Mapping) and value else [f"{prefix}{name}"]
    return names


def no_field(where: str, name: str, available: Iterable[str]) -> GradmaskError:
    """The error for a field that is not there."""
    names = list(available)
    listed = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    return GradmaskError(
        f"{where}: no field {name!r}.{did_you_mean(name, names)} Fields: {listed or 'none'}{_hint(names)}"
    )


def _hint(names: list[str]) -> str:
    """Where a row has no text, but something that can become one."""
    for field in ("messages", "conversations", "conversation"):
        if field in names:
            return f". For chat messages write messages_field: {field}"
    if {"question", "answer"} <= {*names}:
        return ". For questions and answers write question_field: question, answer_field: answer"
    return ""


def _heads(name: str) -> list[str]:
    return [name[:at] for at, character in enumerate(name) if character == "."]
