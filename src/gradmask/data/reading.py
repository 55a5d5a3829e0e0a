"""Reading the documents of one source as a stream: at most a batch of rows is held in memory."""

from __future__ import annotations

import glob
import gzip
import itertools
import json
import lzma
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gradmask.data.given import NOTHING, Given, given_of, id_of, require_used
from gradmask.data.rows import Row, hub_rows, parquet_rows
from gradmask.data.spec import SourceSpec
from gradmask.data.stories import generate
from gradmask.errors import GradmaskError, did_you_mean

SPLITS = ("train", "test")

STORIES_MEGABYTES = 1.0
"""Training text per language by default; the held-out text is a fifth of the training text."""
_HELD_OUT_FROM = 1 << 40
"""Number of the first held-out story: no training set is large enough to reach it."""


class Document(NamedTuple):
    """One text with its domain. ``split`` is None if the source has none; ``size`` is in bytes of UTF-8.

    ``topic`` is empty if the source has no topic field. ``id`` is the row's own, or its file and line.
    """

    text: str
    domain: str
    split: str | None
    size: int
    topic: str = ""
    id: str = ""
    given: Given = NOTHING


def read(source: SourceSpec, seed: int = 0) -> Iterator[Document]:
    """The documents of a source in order. Limits are not applied yet, except to stories, which have no end otherwise.

    Raises:
        GradmaskError: a file that is missing, empty or damaged, a field that is missing or of another type; the message
            names the file and the line or row.
    """
    if source.kind == "stories":
        return _stories(source, seed)
    if source.kind == "datasets":
        return _documents(source, hub_rows(source), {})
    return _files(source)


def files_of(source: SourceSpec) -> list[Path]:
    """The files of a source, sorted by name; a pattern without a match is returned as it is, for the error message."""
    if source.path is None:
        return []
    path = Path(source.path).expanduser()
    return [path] if path.exists() else [Path(p) for p in sorted(glob.glob(str(path), recursive=True))] or [path]


def _stories(source: SourceSpec, seed: int) -> Iterator[Document]:
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


def _files(source: SourceSpec) -> Iterator[Document]:
    seen: dict[str, None] = {}
    for path in files_of(source):
        _require_readable(path, source)
        if source.kind == "parquet":
            documents = _documents(source, parquet_rows(path, source), seen)
        elif source.kind == "jsonl":
            documents = _documents(source, _json_rows(path), seen)
        else:
            documents = _paragraphs(source, path)
        empty = True
        for document in documents:
            empty = False
            yield document
        if empty:
            raise GradmaskError(f"{path} has no text: remove it from data.sources, or give a file with documents")
    require_used(source, seen, list(seen))


def _require_readable(path: Path, source: SourceSpec) -> None:
    if path.is_dir():
        raise GradmaskError(f"{path} is a folder: give a file, or a pattern such as {path}/*.{source.kind}")
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise GradmaskError(
            f"there is no file {path} (data.sources: kind {source.kind}).{did_you_mean(path.name, siblings)} "
            f"Relative paths are resolved from {Path.cwd()}"
        )
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise GradmaskError(f"{path} is empty: remove it from data.sources, or give a file with documents")
    except OSError as error:
        raise GradmaskError(f"{path} cannot be read: {error.strerror}") from None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines. ``.xz`` and ``.gz`` are decompressed on the fly; a byte order mark is dropped."""
    opener: Any = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix, open)
    number = 0
    try:
        with opener(path, "rb") as file:
            for number, line in enumerate(file, 1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise GradmaskError(f"{path}, line {number}: not valid UTF-8 ({error.reason}): convert the file") from None
    except (lzma.LZMAError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise GradmaskError(f"{path} is damaged or truncated after line {number}: {error}") from None
    except OSError as error:
        raise GradmaskError(f"{path} cannot be read after line {number}: {error.strerror}") from None


def _json_rows(path: Path) -> Iterator[Row]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise GradmaskError(
                f"{path}, line {number}: not valid JSON ({error.msg} at column {error.colno})"
            ) from None
        except (ValueError, RecursionError) as error:
            raise GradmaskError(f"{path}, line {number}: JSON that cannot be parsed ({error})") from None
        if not isinstance(values, dict):
            raise GradmaskError(f"{path}, line {number}: needs a JSON object, got {type(values).__name__}")
        yield Row(f"{path}, line {number}", values, None)


def _paragraphs(source: SourceSpec, path: Path) -> Iterator[Document]:
    """Plain text: documents are separated by blank lines."""
    assert source.domain is not None
    block: list[str] = []
    first = 0
    for number, line in _lines(path):
        if line.strip():
            first = first if block else number
            block.append(line)
        elif block:
            yield _document("".join(block).strip(), source.domain, None, f"{path}, line {first}")
            block = []
    if block:
        yield _document("".join(block).strip(), source.domain, None, f"{path}, line {first}")


def _documents(source: SourceSpec, rows: Iterable[Row], seen: dict[str, None]) -> Iterator[Document]:
    """Rows with fields as documents; rows with blank text are skipped. Adds the fields of all rows to ``seen``."""
    for where, values, part in rows:
        seen.update(dict.fromkeys(values))
        text = _field(values, source.text_field, where)
        if not isinstance(text, str):
            raise GradmaskError(f"{where}: field {source.text_field!r} must be text, got {type(text).__name__}")
        given = given_of(source, values, text, where)
        domain = _domain(source, values, given, where)
        if text.strip():
            document = _document(text, domain, _split(source, values, part, where), id_of(source, values, where), where)
            topic = _topic(source, values, where) if source.topic_field else ""
            yield document._replace(topic=topic, given=given)


def _domain(source: SourceSpec, values: dict[str, Any], given: Given, where: str) -> str:
    if source.domain is not None:
        return source.domain
    name = source.domain_field
    if name is None or not (source.domain_required or values.get(name) is not None):
        return given.truth or given.label or "unlabeled"
    domain = _field(values, name, where)
    if isinstance(domain, bool) or not isinstance(domain, str | int) or domain == "":
        raise GradmaskError(f"{where}: field {name!r} must name a domain, got {domain!r}")
    return str(domain)


def _topic(source: SourceSpec, values: dict[str, Any], where: str) -> str:
    topic = _field(values, str(source.topic_field), where)
    if isinstance(topic, bool) or not isinstance(topic, str | int):
        raise GradmaskError(f"{where}: field {source.topic_field!r} must name a topic, got {topic!r}")
    return str(topic)


def _split(source: SourceSpec, values: dict[str, Any], part: str | None, where: str) -> str | None:
    if source.split_field is None:
        return None
    if source.split_field == "split" and values.get("split") is None:
        return part
    split = _field(values, source.split_field, where)
    if split not in SPLITS:
        raise GradmaskError(f"{where}: field {source.split_field!r} must be 'train' or 'test', got {split!r}")
    return split


def _field(values: dict[str, Any], name: str, where: str) -> Any:
    if name not in values:
        raise GradmaskError(
            f"{where}: no field {name!r}.{did_you_mean(name, values)} Fields: {', '.join(values) or 'none'}"
        )
    if values[name] is None:
        raise GradmaskError(f"{where}: field {name!r} is null: give a value or remove the document")
    return values[name]


def _document(text: str, domain: str, split: str | None, name: str, where: str | None = None) -> Document:
    """``name`` is the document's id."""
    where = where or name
    try:
        domain.encode()
        return Document(text, domain, split, len(text.encode()), id=name)
    except UnicodeEncodeError as error:
        raise GradmaskError(f"{where}: not valid Unicode ({error.reason}): repair the text") from None
