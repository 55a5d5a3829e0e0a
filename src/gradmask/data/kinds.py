"""The kind of a source, told from the names of its files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gradmask.errors import did_you_mean

SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "text",
    ".text": "text",
}
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zstd", ".lz4")
"""What the names of compressed files end with; how a file is compressed is told from its content."""


def kind_of_file(path: Path) -> str | None:
    """The kind that a file's name says, None where it says none."""
    named = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return None if path.name.startswith(".") else SUFFIXES.get(named.suffix.lower())


def kind_of(paths: Iterable[str]) -> str:
    """The kind of these paths.

    Raises:
        ValueError: their names do not tell, or tell different kinds.
    """
    kinds = {_kind(Path(path).expanduser()) for path in paths}
    if len(kinds) != 1:
        raise ValueError(f"the files are of different kinds ({', '.join(sorted(kinds))}): make a source of each")
    return kinds.pop()


def _kind(path: Path) -> str:
    if path.is_dir():
        return _kind_of_folder(path)
    kind = kind_of_file(path)
    if kind is None:
        hint = did_you_mean(path.suffix, SUFFIXES)
        raise ValueError(f"the kind of {path} cannot be told from its name: set kind.{hint}")
    return kind


def _kind_of_folder(folder: Path) -> str:
    """A dataset saved to disk, files of rows, or else a folder in which each file is a document."""
    if is_saved(folder):
        return "datasets"
    kinds = {kind_of_file(path) for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")}
    if len(kinds) == 1 and (only := kinds.pop()) not in (None, "text"):
        return str(only)
    return "folder"


def is_saved(folder: Path) -> bool:
    """Whether a folder is a dataset that was saved to disk."""
    return (folder / "dataset_info.json").exists() or (folder / "dataset_dict.json").exists()
