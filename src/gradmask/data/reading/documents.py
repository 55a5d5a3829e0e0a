"""Rows of any format as documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gradmask.data.given import NOTHING, Given, given_of, id_of
from gradmask.data.reading.counts import BAD_FIELD, BLANK, NO_ANSWER, NOT_UNICODE, Row, Skipped
from gradmask.data.reading.document import SPLITS, Document
from gradmask.data.reading.fields import field_names, no_field, picked
from gradmask.data.reading.lines import too_long, with_nul
from gradmask.data.reading.turns import Render, Rendered, messages_of
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError


class Maker:
    """Makes documents of a source's rows. ``used`` and ``known``: fields that at least one row has, of those named and of all."""

    def __init__(self, source: SourceSpec, render: Render | None) -> None:
        self.source, self.render = source, render
        # Asked for once: for each row they would take longer than the row.
        self.fields, self.domain_required = source.fields, source.domain_required
        self.gives = bool(source.label_fields) or source.label is not None
        self.used: dict[str, None] = {}
        self.known: dict[str, None] = {}

    def document(self, row: Row) -> Document | Skipped:
        """The document of a row, or why there is none."""
        values = picked(row.values, self.fields)
        self.used.update(dict.fromkeys(values))
        if not self.known or (len(values) < len(self.fields) and not row.values.keys() <= self.known.keys()):
            self.known.update(dict.fromkeys(field_names(row.values)))
        try:
            return self._document(row, values)
        except GradmaskError as error:
            return Skipped(BAD_FIELD, str(error))
        except UnicodeEncodeError as error:
            return Skipped(NOT_UNICODE, f"{row.where}: not valid Unicode ({error.reason}): repair the text")

    def _document(self, row: Row, values: dict[str, Any]) -> Document | Skipped:
        source, where = self.source, row.where
        text, answers, chat = self._text(row, values)
        if not text.strip():
            return Skipped(BLANK, f"{where}: blank text")
        if "\0" in text:
            return with_nul(where)
        size = len(text.encode())
        if size > source.longest_bytes:
            return too_long(where, source.longest_bytes)
        if self.render and not any(text[start:end].strip() for start, end in answers):
            return Skipped(NO_ANSWER, f"{where}: no answer, so nothing to learn from")
        if source.spans_field and isinstance(spans := values.get(source.spans_field), str):
            values[source.spans_field] = _json(spans, where, source.spans_field)
        given = given_of(source, values, text, where) if self.gives else NOTHING
        document = Document(text, self._domain(values, given, where), self._split(row, values), size)
        document.domain.encode()
        topic = self._topic(values, where) if source.topic_field else ""
        return document._replace(
            topic=topic,
            id=id_of(source, values, where),
            given=given,
            answers=answers if self.render else None,
            chat=chat,
        )

    def _text(self, row: Row, values: dict[str, Any]) -> Rendered:
        for name in self.source.text_fields:
            _required(values, name, row)
        if self.render is None:
            text = values[self.source.text_field]
            if not isinstance(text, str):
                raise GradmaskError(
                    f"{row.where}: field {self.source.text_field!r} must be text, got {type(text).__name__}"
                )
            return Rendered(text, [])
        try:
            return self.render(messages_of(self.source, values))
        except (GradmaskError, json.JSONDecodeError) as error:
            raise GradmaskError(f"{row.where}: {error}") from None

    def _domain(self, values: dict[str, Any], given: Given, where: str) -> str:
        source = self.source
        if source.domain is not None:
            return source.domain
        name = source.domain_field
        if name is None or not (self.domain_required or values.get(name) is not None):
            return given.label or "unlabeled"
        return _name(values, name, "a domain", where, self.known)

    def _topic(self, values: dict[str, Any], where: str) -> str:
        return _name(values, str(self.source.topic_field), "a topic", where, self.known, empty=True)

    def _split(self, row: Row, values: dict[str, Any]) -> str | None:
        source, name = self.source, self.source.split_field
        if source.split is not None:
            return source.split
        if name is None:
            return None
        if name == "split" and not values.get("split") and not isinstance(values.get("split"), list):
            return row.part
        _required(values, name, row)
        if values[name] not in SPLITS:
            raise GradmaskError(f"{row.where}: field {name!r} must be 'train' or 'test', got {values[name]!r}")
        return values[name]


def _required(values: Mapping[str, Any], name: str, row: Row) -> None:
    if name not in values:
        raise no_field(row.where, name, field_names(row.values))
    if values[name] is None:
        raise GradmaskError(f"{row.where}: field {name!r} is null: give a value or remove the document")


def _name(
    values: Mapping[str, Any], name: str, what: str, where: str, known: Mapping[str, None], empty: bool = False
) -> str:
    if name not in values:
        raise no_field(where, name, known)
    value = values[name]
    if value is None:
        raise GradmaskError(f"{where}: field {name!r} is null: give a value or remove the document")
    if isinstance(value, bool) or not isinstance(value, str | int) or (value == "" and not empty):
        raise GradmaskError(f"{where}: field {name!r} must name {what}, got {value!r}")
    return str(value)


def _json(text: str, where: str, name: str) -> Any:
    """A list that a table holds as text."""
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        raise GradmaskError(f"{where}: field {name!r} must be a list of spans, got {text!r:.60}") from None
