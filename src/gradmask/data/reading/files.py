"""Which files a source names."""

from __future__ import annotations

import glob
from pathlib import Path

from gradmask.data.kinds import kind_of_file
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError, did_you_mean


def files_of(source: SourceSpec) -> list[Path]:
    """The files of a source, sorted by name within each of its paths.

    A folder stands for its files of the source's kind. A pattern without a match is returned as it is, for the error message.
    """
    return [file for path in source.roots for file in _files(path, source)]


def _files(path: Path, source: SourceSpec) -> list[Path]:
    if path.is_dir() and source.kind == "folder":
        return sorted(p for p in path.glob(source.pattern) if p.is_file() and not _hidden(p.relative_to(path)))
    if path.is_dir() and source.kind != "datasets":
        return sorted(p for p in path.rglob("*") if kind_of_file(p) == source.kind and p.is_file()) or [path]
    return [path] if path.exists() else [Path(p) for p in sorted(glob.glob(str(path), recursive=True))] or [path]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def require_readable(path: Path, source: SourceSpec) -> bool:
    """Whether the file has content.

    Raises:
        GradmaskError: it is a folder, is not there, or cannot be read.
    """
    if path.is_dir():
        example = f"a pattern such as {path}/**/*.dat" if source.kind == "text" else f"one with {source.kind} files"
        raise GradmaskError(f"the folder {path} has no file of kind {source.kind}: give {example}, or another kind")
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise GradmaskError(
            f"there is no file {path} (data.sources: kind {source.kind}).{did_you_mean(path.name, siblings)} "
            f"Relative paths are resolved from {Path.cwd()}"
        )
    try:
        with path.open("rb") as file:
            return bool(file.read(1))
    except OSError as error:
        raise GradmaskError(f"{path} cannot be read: {error.strerror}") from None
