"""One document, as it comes from a source."""

from __future__ import annotations

from typing import NamedTuple

from gradmask.data.given import NOTHING, Given

SPLITS = ("train", "test")


class Document(NamedTuple):
    """One text with its domain. ``split`` is None if the source has none; ``size`` is in bytes of UTF-8.

    ``topic`` is empty if the source has no topic field. ``id`` is the row's own, or its file and line. ``answers`` are the
    characters (start, end) that the loss counts, None for all. ``chat``: whether a tokenizer's chat template made the text, so
    that the names of special tokens in it are these tokens.
    """

    text: str
    domain: str
    split: str | None
    size: int
    topic: str = ""
    id: str = ""
    given: Given = NOTHING
    answers: list[tuple[int, int]] | None = None
    chat: bool = False
