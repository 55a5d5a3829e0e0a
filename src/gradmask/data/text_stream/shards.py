"""The files of a stream: which there are, how large they are, and the documents of one."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import fsspec

from gradmask.data.kinds import kind_of_file
from gradmask.data.reading import Document, Maker, SourceCounts, files_of, read_file, require_readable
from gradmask.data.spec import SourceSpec
from gradmask.data.text_stream.spec import is_address
from gradmask.errors import GradmaskError


@dataclass(frozen=True)
class TextShard:
    """One file of a source. ``path`` is a path, or an address that fsspec opens; ``size`` is in bytes, as it is stored."""

    source: SourceSpec
    path: str
    size: int


def shards_of(sources: Sequence[SourceSpec]) -> list[TextShard]:
    """The files of all sources that are not empty, in the order of the sources and of their names.

    Raises:
        GradmaskError: a file that is missing or cannot be read, an address that cannot be opened; a source without text.
    """
    found: list[TextShard] = []
    for source in sources:
        own = [shard for shard in _files(source) if shard.size]
        if not own:
            raise GradmaskError(f"{source.name} has no text: remove it from data.sources, or give files with documents")
        found += own
    return found


def _files(source: SourceSpec) -> Iterator[TextShard]:
    for path in source.paths:
        if is_address(path):
            yield from _remote(path, source)
            continue
        for file in files_of(source.model_copy(update={"path": path})):
            size = file.stat().st_size if require_readable(file, source) else 0
            yield TextShard(source, str(file), size)


def _remote(address: str, source: SourceSpec) -> Iterator[TextShard]:
    try:
        files, path = fsspec.url_to_fs(address)
        if any(mark in path for mark in "*?["):
            found = sorted(files.glob(path))
        else:
            found = sorted(_below(files, path, source)) if files.isdir(path) else [path]
        sizes = [int(files.size(name) or 0) for name in found]
    except Exception as error:  # every file system of fsspec raises the errors of its own libraries
        raise GradmaskError(f"{address} cannot be opened: {_line(error)}") from None
    if not found:
        raise GradmaskError(f"no file matches {address} (data.sources: kind {source.kind})")
    for name, size in zip(found, sizes, strict=True):
        yield TextShard(source, files.unstrip_protocol(name), size)


def _below(files: Any, path: str, source: SourceSpec) -> list[str]:
    return [name for name in files.find(path) if kind_of_file(Path(PurePosixPath(name).name)) == source.kind]


def documents_of(shard: TextShard, maker: Maker, counts: SourceCounts) -> Generator[Document]:
    """The documents of one file in order. One from elsewhere lies on the disk while it is read.

    Raises:
        GradmaskError: the file is missing, damaged or of another kind, or has a bad row.
    """
    with _here(shard) as path:
        if not path.exists():
            raise GradmaskError(f"{shard.path} was removed: restore it unchanged, then resume the run")
        yield from read_file(path, maker, counts)


@contextmanager
def _here(shard: TextShard) -> Iterator[Path]:
    """The file on this machine."""
    if not is_address(shard.path):
        yield Path(shard.path)
        return
    with TemporaryDirectory(prefix="gradmask-stream-") as folder:
        path = Path(folder) / PurePosixPath(shard.path).name
        try:
            files, name = fsspec.url_to_fs(shard.path)
            files.get_file(name, str(path))
        except Exception as error:  # see above
            raise GradmaskError(
                f"{shard.path} cannot be read: {_line(error)}. Run the same command again: it resumes from the last checkpoint"
            ) from None
        yield path


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
