"""A first look at a source: its files, and its first documents."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from gradmask.data.reading import Document, files_of, read
from gradmask.data.spec import SourceSpec


def first_documents(source: SourceSpec, count: int, seed: int = 0) -> list[Document]:
    """The first documents of a source; no more of its files is read.

    Raises:
        GradmaskError: as `load_documents`, for what was read.
    """
    return list(islice(read(source, seed), count))


def source_files(source: SourceSpec) -> list[Path]:
    """The files that a source's path or pattern names; none for the stories, or a dataset by name."""
    return [path for path in files_of(source) if path.exists()]
