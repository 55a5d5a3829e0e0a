"""What a row says about its document: its label, scores, spans, the truth, its id. As given: nothing is matched or judged here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError, did_you_mean


class Given(NamedTuple):
    """Null where the source names no such field, or the row has no value.

    ``scores`` are dictionaries of ``group`` (empty where the source names one field for the only group) and ``score``; ``spans``
    of ``start``, ``end`` (characters) and ``label``.
    """

    label: str | None = None
    scores: list[dict[str, Any]] | None = None
    spans: list[dict[str, Any]] | None = None
    truth: str | None = None


NOTHING = Given()


def given_of(source: SourceSpec, values: Mapping[str, Any], text: str, where: str) -> Given:
    """What a row gives for its text.

    Raises:
        GradmaskError: a value of another type, a score that is not finite, a span outside of the text.
    """
    if not source.label_fields:
        return NOTHING if source.label is None else Given(source.label)
    return Given(
        source.label or _name(values, source.label_field, where),
        _scores(source, values, where),
        _spans(values.get(source.spans_field), len(text), source.spans_field, where) if source.spans_field else None,
        _name(values, source.truth_field, where),
    )


def id_of(source: SourceSpec, values: Mapping[str, Any], where: str) -> str:
    """The row's own id, or its place: the file and the line."""
    own = values.get(source.id_field) if source.id_field else None
    return where if isinstance(own, bool) or not isinstance(own, str | int) or own == "" else str(own)


def require_used(source: SourceSpec, seen: Iterable[str], fields: Sequence[str]) -> None:
    """Refuse a source whose rows have none of a field that it names: a row may leave it out, but all of them is a mistake.

    Args:
        source: with the names of its fields.
        seen: fields that at least one row has.
        fields: what to list.
    """
    seen = set(seen)
    for name in source.label_fields:
        if name in source.required_fields and name not in seen:
            known = ", ".join(fields) or "none"
            raise GradmaskError(
                f"{source.path}: no document has the field {name!r}.{did_you_mean(name, fields)} Fields: {known}"
            )


def _name(values: Mapping[str, Any], field: str | None, where: str) -> str | None:
    """A name as it is written (``true``, ``1``); a list of one name is that name, no value is None."""
    value = values.get(field) if field else None
    if isinstance(value, list | tuple):
        if len(value) > 1:
            raise GradmaskError(
                f"{where}: field {field!r} gives {len(value)} names, {value!r}, but a document has one label: choose one, or "
                "give spans (spans_field) if parts of the text differ"
            )
        value = value[0] if value else None
    if value is None or value == "" or value != value:  # tables hold NaN where there is nothing
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():  # a column of numbers with gaps becomes one of floats
        return str(int(value))
    if not isinstance(value, str | int):
        raise GradmaskError(f"{where}: field {field!r} must be the name of a label, got {value!r}")
    return str(value)


def _scores(source: SourceSpec, values: Mapping[str, Any], where: str) -> list[dict[str, Any]] | None:
    fields = source.score_fields
    if not fields:
        return None
    scores = {group: _number(values.get(field), field, where) for group, field in fields.items()}
    return [{"group": group, "score": score} for group, score in scores.items() if score is not None]


def _number(value: Any, field: str, where: str) -> float | None:
    """A finite number, or a text that is one, as CSV gives it."""
    if value is None or value == "":
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise GradmaskError(f"{where}: field {field!r} must be a score, a finite number, got {value!r}")
    return number


def _spans(value: Any, length: int, field: str, where: str) -> list[dict[str, Any]] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise GradmaskError(f"{where}: field {field!r} must be a list of spans (start, end, label), got {value!r:.60}")
    return [_span(span, length, f"{where}: field {field!r}, span {i}") for i, span in enumerate(value)]


def _span(value: Any, length: int, where: str) -> dict[str, Any]:
    if isinstance(value, list | tuple) and len(value) == 3:
        value = dict(zip(("start", "end", "label"), value, strict=True))
    if not isinstance(value, Mapping) or not {"start", "end", "label"} <= {*value}:
        raise GradmaskError(f"{where} must be [start, end, label] or an object of these, got {value!r:.80}")
    start, end = value["start"], value["end"]
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= length:
        raise GradmaskError(
            f"{where} is from {start!r} to {end!r}, needed: characters of the text, 0 <= start < end <= {length}"
        )
    return {"start": start, "end": end, "label": _name(value, "label", where) or "unlabeled"}
