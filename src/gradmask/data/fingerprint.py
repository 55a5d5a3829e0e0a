"""One hash of everything that prepared data is made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradmask.data import stories
from gradmask.data.reading import files_of
from gradmask.data.spec import DataSpec, SourceSpec
from gradmask.data.text_stream.shards import shards_of
from gradmask.data.text_stream.spec import is_address
from gradmask.errors import GradmaskError

FORMAT = 4
"""Increased whenever the same spec and files give other sequences."""
EDGE = 1 << 16
"""Bytes at the beginning and at the end of a stream's file that count; all of them would take as long as to train on them."""
STORIES = (".py", ".toml")
"""Files that the built-in stories are made of: grammar, and vocabulary with sentence templates."""


def fingerprint_of(spec: DataSpec) -> str:
    """A hash of the spec and of the contents of its files, local datasets and tokenizers, and of the story generator.

    Where files lie does not count, so data that moved keeps its fingerprint. A dataset or tokenizer on a hub is hashed by its name
    only; where files are documents, their names below the source's folder count too. Files of a stream are hashed by their
    names and sizes, and what they begin and end with.

    Raises:
        GradmaskError: a file cannot be read.
    """
    return _hash(spec, paths=False)


def is_fingerprint(fingerprint: str, spec: DataSpec) -> bool:
    """Whether it is the spec's, also as versions up to 0.2 made it: those counted the paths of files, too."""
    return fingerprint == fingerprint_of(spec) or fingerprint == _hash(spec, paths=True)


def _hash(spec: DataSpec, paths: bool) -> str:
    content = spec.model_dump(mode="json")
    if spec.stream is None:
        content.pop("stream")
    if not spec.tokenizer_without_forget:
        content["tokenizer"].pop("without_forget")  # as before there was that option
    documents = [(path, s) for s in spec.sources if s.kind == "folder" for path in files_of(s)]
    names = [str(path) if paths else _below(path, source) for path, source in documents]
    if not paths:
        _without_paths(content, spec)
    digest = hashlib.sha256(json.dumps([FORMAT, content], sort_keys=True).encode())
    digest.update("\n".join(names).encode())
    if spec.stream is not None:
        digest.update(_of_stream(spec))
    for path in _inputs(spec):
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise GradmaskError(f"{path} cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def _without_paths(content: dict[str, Any], spec: DataSpec) -> None:
    """Put in the place of every local path how many files there are, so that it is known where one source ends."""
    for section, source in zip(content["sources"], spec.sources, strict=True):
        on_hub = source.kind == "datasets" and not all(root.exists() for root in source.roots)
        if source.paths and not on_hub and not any(map(is_address, source.paths)):
            section["path"] = sum(len(_files(path)) for path in files_of(source))
    for name, path in (("tokenizer", spec.tokenizer.path), ("audit", spec.audit.path if spec.audit else None)):
        if path is not None and (files := _files(Path(path).expanduser())):
            content[name]["path"] = len(files)


def _below(path: Path, source: SourceSpec) -> str:
    """The name of a document's file below the folder that its source gives: its domain may be a part of it."""
    root = next((root for root in source.roots if path.is_relative_to(root)), path.parent)
    return path.relative_to(root).as_posix()


def _files(path: Path) -> list[Path]:
    """A file, or everything in a folder; nothing for the name of a hub."""
    return [file for file in (sorted(path.rglob("*")) if path.is_dir() else [path]) if file.is_file()]


def _of_stream(spec: DataSpec) -> bytes:
    """A hash of the names and sizes of a stream's files, and of the beginnings and ends of those on this machine."""
    digest = hashlib.sha256()
    for shard in shards_of(spec.sources):
        digest.update(json.dumps([Path(shard.path).name, shard.size]).encode())
        if not is_address(shard.path):
            with Path(shard.path).open("rb") as file:
                digest.update(file.read(EDGE))
                file.seek(max(0, shard.size - EDGE))
                digest.update(file.read(EDGE))
    return digest.digest()


def _inputs(spec: DataSpec) -> Iterator[Path]:
    named = [] if spec.stream else [path for source in spec.sources for path in files_of(source)]
    named += [Path(spec.audit.path).expanduser()] if spec.audit else []
    named += [Path(spec.tokenizer.path).expanduser()] if spec.tokenizer.path else []
    for path in named:
        yield from _files(path)
    if any(source.kind == "stories" for source in spec.sources):
        yield from (file for file in sorted(Path(stories.__file__).parent.rglob("*")) if file.suffix in STORIES)
