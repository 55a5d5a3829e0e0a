"""Reading documents: every source becomes rows of ``text``, ``domain`` and ``split``."""

from __future__ import annotations

import glob
import gzip
import json
import lzma
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset, DatasetDict, load_dataset, load_from_disk

from gradmask.data.draws import uniform
from gradmask.data.spec import SourceSpec
from gradmask.data.stories import generate
from gradmask.errors import GradmaskError, did_you_mean

SPLITS = ("train", "test")


class Document(NamedTuple):
    """One text with its domain; ``split`` is None where the source does not say."""

    text: str
    domain: str
    split: str | None


def load_documents(sources: Sequence[SourceSpec], test_share: float = 0.1, seed: int = 0) -> Dataset:
    """All documents of all sources: a dataset with ``text``, ``domain`` and ``split`` (``train`` or ``test``).

    A document without a split is held out with probability ``test_share``, by its own text and ``seed``.

    Raises:
        GradmaskError: a file that is missing, empty or damaged; a field that is missing; nothing left at all. The message
            names the file and the line.
    """
    rows: dict[str, list[str]] = {"text": [], "domain": [], "split": []}
    for source in sources:
        for document in _limited(source, _split(_read(source, seed), test_share, seed)):
            rows["text"].append(document.text)
            rows["domain"].append(document.domain)
            rows["split"].append(str(document.split))
    for split in SPLITS:
        if split not in rows["split"]:
            raise GradmaskError(
                f"the sources hold no document of the split {split!r}: give test_share, or a split field with both splits"
            )
    return Dataset.from_dict(rows)


def _read(source: SourceSpec, seed: int) -> Iterable[Document]:
    if source.kind == "stories":
        return _stories(source, seed)
    if source.kind == "datasets":
        return _rows(source, _hub_rows(source))
    return _files(source)


def _stories(source: SourceSpec, seed: int) -> Iterator[Document]:
    """Training stories from 0 on, held-out ones from far away: none is in both."""
    for language in source.languages:
        for split, size in (("train", source.megabytes), ("test", source.megabytes_test)):
            start, wanted, left = (0 if split == "train" else 1 << 40), source.documents, size
            step = 200
            while True:
                count = step if wanted is None else min(step, wanted)
                for text in generate(count, language, seed, start):
                    yield Document(text, language, split)
                    left = None if left is None else left - len(text.encode()) / 1e6
                start += count
                wanted = None if wanted is None else wanted - count
                if (
                    wanted == 0
                    or (left is not None and left <= 0)
                    or (wanted is None and left is None and count >= step)
                ):
                    break


def _files(source: SourceSpec) -> Iterator[Document]:
    assert source.path is not None
    paths = sorted(Path(p) for p in glob.glob(source.path, recursive=True)) or [Path(source.path)]
    for path in paths:
        if path.is_dir():
            raise GradmaskError(f"{path} is a folder: give a file, or a pattern such as {path}/*.{source.kind}")
        if not path.is_file():
            raise GradmaskError(
                f"there is no file {path} (data.sources: kind {source.kind}); relative paths start at {Path.cwd()}"
            )
        if path.stat().st_size == 0:
            raise GradmaskError(f"{path} is empty: take it out of data.sources, or give a file with documents")
        yield from _some(_documents(source, path), path)


def _documents(source: SourceSpec, path: Path) -> Iterator[Document]:
    if source.kind == "text":
        return _paragraphs(source, path)
    return _rows(source, _parquet(path, source) if source.kind == "parquet" else _json_lines(path))


def _some(documents: Iterator[Document], path: Path) -> Iterator[Document]:
    first = next(documents, None)
    if first is None:
        raise GradmaskError(f"{path} holds no text: take it out of data.sources, or give a file with documents")
    yield first
    yield from documents


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    opener: Any = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix, open)
    number = 0
    try:
        with opener(path, "rb") as file:
            for number, line in enumerate(file, 1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise GradmaskError(f"{path}, line {number}: not UTF-8 ({error.reason}): convert the file") from None
    except (lzma.LZMAError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise GradmaskError(f"{path} is damaged or cut off after line {number}: {error}") from None


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise GradmaskError(
                f"{path}, line {number}: not valid JSON ({error.msg} at column {error.colno})"
            ) from None
        if not isinstance(row, dict):
            raise GradmaskError(f"{path}, line {number}: needs a JSON object, got {type(row).__name__}")
        yield f"{path}, line {number}", row


def _parquet(path: Path, source: SourceSpec) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        needed = {source.text_field} | (set() if source.domain else {source.domain_field})
        names = set(file.schema_arrow.names)
        columns = sorted(names & (needed | {source.split_field or ""})) if needed <= names else None
        number = 0
        for batch in file.iter_batches(1024, columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        raise GradmaskError(f"{path} is not a whole Parquet file: {error}") from None


def _paragraphs(source: SourceSpec, path: Path) -> Iterator[Document]:
    """Plain text: documents are separated by blank lines."""
    assert source.domain is not None
    block: list[str] = []
    for _, line in chain(_lines(path), [(0, "")]):
        if line.strip():
            block.append(line)
        elif block:
            yield Document("".join(block).strip(), source.domain, None)
            block = []


def _hub_rows(source: SourceSpec) -> Iterator[tuple[str, dict[str, Any]]]:
    assert source.path is not None
    try:
        if (Path(source.path) / "dataset_info.json").exists() or (Path(source.path) / "dataset_dict.json").exists():
            loaded = load_from_disk(source.path)
        else:
            loaded = load_dataset(source.path, source.subset)
    except (OSError, ValueError, ConnectionError) as error:
        raise GradmaskError(f"the dataset {source.path!r} cannot be opened: {error}") from None
    parts = loaded.items() if isinstance(loaded, DatasetDict) else [("train", loaded)]
    for split, part in parts:
        named = "test" if split in ("test", "validation") else "train"
        for i, row in enumerate(part):
            yield f"{source.path}/{split}, row {i}", {"split": named, **row} if len(parts) > 1 else row  # type: ignore[invalid-argument, invalid-yield]


def _rows(source: SourceSpec, rows: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[Document]:
    for where, row in rows:
        text = _field(row, source.text_field, where)
        domain = source.domain or str(_field(row, source.domain_field, where))
        split = row.get(source.split_field) if source.split_field else None
        if not isinstance(text, str):
            raise GradmaskError(f"{where}: field {source.text_field!r} must be text, got {type(text).__name__}")
        if split is not None and split not in SPLITS:
            raise GradmaskError(f"{where}: split must be 'train' or 'test', got {split!r}")
        if text.strip():
            yield Document(text, domain, split)


def _field(row: dict[str, Any], name: str, where: str) -> Any:
    if name not in row:
        raise GradmaskError(f"{where}: no field {name!r}.{did_you_mean(name, row)} Fields: {', '.join(row) or 'none'}")
    if row[name] is None:
        raise GradmaskError(f"{where}: field {name!r} is null: give a value or take the document out")
    return row[name]


def _split(documents: Iterable[Document], test_share: float, seed: int) -> Iterator[Document]:
    for document in documents:
        if document.split is None:
            held_out = uniform(seed, "split", document.domain, document.text) < test_share
            document = document._replace(split="test" if held_out else "train")
        yield document


def _limited(source: SourceSpec, documents: Iterable[Document]) -> Iterator[Document]:
    """Stop taking documents of a domain and split where the source's limit is reached."""
    counts: dict[tuple[str, str | None], int] = {}
    sizes: dict[tuple[str, str | None], float] = {}
    for document in documents:
        key = (document.domain, document.split)
        limit = source.megabytes if document.split == "train" else source.megabytes_test
        full = limit is not None and sizes.get(key, 0.0) >= limit
        if full or (source.documents is not None and counts.get(key, 0) >= source.documents):
            continue
        counts[key] = counts.get(key, 0) + 1
        sizes[key] = sizes.get(key, 0.0) + len(document.text.encode()) / 1e6
        yield document
