"""The built-in stories as documents."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from gradmask.data.reading.document import Document
from gradmask.data.spec import SourceSpec
from gradmask.data.stories import generate

STORIES_MEGABYTES = 1.0
"""Training text per language by default; the held-out text is a fifth of the training text."""
_HELD_OUT_FROM = 1 << 40
"""Number of the first held-out story: no training set is large enough to reach it."""


def stories(source: SourceSpec, seed: int) -> Iterator[Document]:
    """Training stories from number 0, held-out ones from `_HELD_OUT_FROM`: no story is in both."""
    train = source.megabytes or (None if source.documents else STORIES_MEGABYTES)
    test = source.megabytes_test or (None if train is None else train / 5)
    for language in source.languages:
        for split, megabytes, start in (("train", train, 0), ("test", test, _HELD_OUT_FROM)):
            count, size = 0, 0
            for text in _endless_stories(language, seed, start):
                yield Document(text, language, split, len(text.encode()))
                count, size = count + 1, size + len(text.encode())
                if count == source.documents or (megabytes is not None and size >= megabytes * 1e6):
                    break


def _endless_stories(language: str, seed: int, start: int, batch: int = 16) -> Iterator[str]:
    for first in itertools.count(start, batch):
        yield from generate(batch, language, seed, first)
