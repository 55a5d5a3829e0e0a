"""Portions of the input: what one process labels by itself, and resumes by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gradmask.data.label.inputs import files_within
from gradmask.data.spec import SourceSpec

WHOLE = ("stories", "datasets", "folder")
"""Kinds of source that are not divided: their files do not stand for themselves."""


class Portion(NamedTuple):
    """Files that follow each other, all of one source, or a source that cannot be divided. ``size`` is in bytes of the files."""

    number: int
    source: SourceSpec
    size: int


def portions_of(sources: Sequence[SourceSpec], size: int) -> list[Portion]:
    """The input in portions of about ``size`` bytes. They follow from the files alone, not from the number of processes."""
    parts = [part for source in sources for part in _divided(source, size)]
    return [Portion(number, source, total) for number, (source, total) in enumerate(parts)]


def inputs_of(portions: Sequence[Portion]) -> list[dict[str, Any]]:
    """What the input is, to notice a change of it: how each source is read, with size and time of change of its files."""
    return [
        {
            "source": portion.source.model_dump(mode="json", exclude_defaults=True),
            "files": [
                [str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files_within(portion.source)
            ],
        }
        for portion in portions
    ]


def _divided(source: SourceSpec, size: int) -> Iterator[tuple[SourceSpec, int]]:
    files = files_within(source)
    if source.kind in WHOLE or not files:  # where there is no file, reading says so
        yield source, sum(path.stat().st_size for path in files)
        return
    waiting: list[Path] = []
    total = 0
    for path in files:
        own = path.stat().st_size
        if waiting and total + own > size:
            yield _of(source, waiting), total
            waiting, total = [], 0
        waiting.append(path)
        total += own
    yield _of(source, waiting), total


def _of(source: SourceSpec, files: Sequence[Path]) -> SourceSpec:
    return source.model_copy(update={"path": [str(path) for path in files]})
