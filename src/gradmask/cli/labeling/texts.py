"""Which field of what ``gradmask label`` reads is the text, where nobody says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradmask.cli.output import logger
from gradmask.data import first_rows
from gradmask.errors import GradmaskError
from gradmask.lab.setup.start.fields import field_names, guess_fields

SAMPLE = 50
"""Rows that are looked at."""


def with_texts(sources: Sequence[Any], given: str | None) -> list[Any]:
    """The sources; those of rows without a field ``text`` get the one that `gradmask init` would take, and it is named.

    Args:
        sources: see `gradmask.data.label.inputs`.
        given: the field that the user named, which is believed.
    """
    return list(sources) if given else [_with_text(source) for source in sources]


def _with_text(source: Any) -> Any:
    try:
        rows = [] if source.kind in ("text", "folder") else first_rows(source, SAMPLE)
    except GradmaskError:  # whoever reads the file says it, with its line
        return source
    field = guess_fields(rows).text_field
    if field is None or source.text_field in field_names(rows):
        return source
    logger.info("%s: the text is taken from the field %s; --text-field names another", ", ".join(source.paths), field)
    return source.model_copy(update={"text_field": field})
