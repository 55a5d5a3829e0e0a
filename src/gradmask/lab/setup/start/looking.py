"""What a file or a folder holds, as sources of a recipe: kinds, fields, and what is left out and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gradmask.data import SourceSpec, first_rows, guess_kind, is_saved_dataset, source_files, table_in
from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.setup.start.fields import LONGEST_NAME, Fields, field_names, guess_fields, only_kind
from gradmask.lab.setup.start.kinds import kind_named, patterns_of, split_of

SAMPLE = 300
"""Rows that fields are told from."""
PEEKED = 20
"""Files whose fields are looked at; more are taken to be like the others of their kind."""
EXAMPLES = "examples.jsonl"
"""The name of labeled examples for ``gradmask label``: copies of documents that are in other files."""
READABLE = ("encoding", "bad_rows")
"""Keys of a source that say how it is read, not what its fields are."""
LARGE = 20_000
"""Bytes of a text file from which it is taken for a domain of its own, with a document per paragraph."""


@dataclass(frozen=True)
class FoundSource:
    """One source. ``spec`` are its keys in a recipe; ``fields`` every field of its rows; ``files`` and ``size`` in bytes."""

    spec: dict[str, Any]
    fields: list[str]
    files: int
    size: int
    reasons: dict[str, str] = field(default_factory=dict)
    """Key -> why it has this value."""


@dataclass(frozen=True)
class Found:
    """What was found at a path.

    Args:
        path: as it was given.
        sources: what to train on.
        left_out: sentences on files that are not used.
        labeled: whether ``gradmask label`` wrote it.
    """

    path: Path
    sources: list[FoundSource]
    left_out: list[str]
    labeled: bool = False

    @property
    def size(self) -> int:
        """Bytes of files."""
        return sum(source.size for source in self.sources)


def look(path: Path, chosen: Mapping[str, Any] | None = None) -> Found:
    """Look at a file or a folder.

    Args:
        path: text in any of the formats that sources have, or the output of ``gradmask label``.
        chosen: keys of sources that the user gives, such as ``text_field``; they come before what is guessed.

    Raises:
        GradmaskError: nothing there, nothing that is text, a field that no row has.
    """
    chosen = dict(chosen or {})
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, siblings) or " Formats: .jsonl, .json, .csv, .tsv, .parquet, .txt"
        raise GradmaskError(f"there is no file or folder {path}: give one with text.{hint}")
    if is_labeled(path):
        return Found(path, [_labeled(path, chosen)], [], labeled=True)
    if path.is_dir() and is_saved_dataset(path):
        return Found(path, [_of_rows("datasets", [path], path, chosen)], [])
    if path.is_file():
        return Found(path, [_of_file(path, chosen)], [])
    return _folder(path, chosen)


def is_labeled(path: Path) -> bool:
    """Whether a folder is the output of ``gradmask label``."""
    return (path / "labeler").is_dir() and (path / "shards").is_dir()


def _labeled(path: Path, chosen: Mapping[str, Any]) -> FoundSource:
    shards = sorted((path / "shards").glob("*.parquet"))
    if not shards:
        raise GradmaskError(f"{path} has no labeled documents yet: let gradmask label finish")
    found = _of_rows("parquet", shards, path, {"label_field": "label", **chosen})
    spec = {**found.spec, "path": str(path / "shards" / "*.parquet")}
    reasons = found.reasons | {"label_field": "the labels that gradmask label gave"}
    return replace(found, spec=spec, reasons=reasons)


def _of_file(path: Path, chosen: Mapping[str, Any]) -> FoundSource:
    if not path.stat().st_size:
        raise GradmaskError(f"{path} is empty: give a file with documents")
    kind, encoding = chosen.get("kind"), chosen.get("encoding", "utf-8")
    guessed = kind or guess_kind(path, encoding)
    if guessed == "text" and kind is None and (table := table_in(path, encoding)):
        found = _of_rows(table[0], [path], path, chosen, alone=True)
        return replace(
            found, reasons=found.reasons | {"kind": f"its rows have {table[1]} columns; --kind text if it is no table"}
        )
    if guessed == "text":
        return _of_texts("text", [path], path, path.stem, chosen)
    return _of_rows(guessed, [path], path, chosen, alone=True)


def _of_rows(
    kind: str, paths: Sequence[Path], path: Path, chosen: Mapping[str, Any], domain: str = "", alone: bool = False
) -> FoundSource:
    """A source of rows with fields, as far as they can be told.

    Args:
        kind, paths: of the source.
        path: what the user gave, whose name is the domain where nothing else says it.
        chosen: as in `look`.
        domain: instead of that name.
        alone: whether there is nothing but this file, so that only a field can say what a document is.
    """
    spec = {"kind": kind, "path": _path(paths)}
    readable = {key: value for key, value in chosen.items() if key in READABLE}
    rows = first_rows(_any_source(kind, paths, readable), SAMPLE)
    if not rows:
        raise GradmaskError(
            f"{paths[0]} has no documents: give a file with some, below a line with the names of the fields"
        )
    names = field_names(rows)
    _require_header(kind, paths[0], rows)
    if unknown := [v for k, v in chosen.items() if k.endswith("_field") and v not in names]:
        raise GradmaskError(
            f"{paths[0]}: no row has the field {unknown[0]!r}.{did_you_mean(unknown[0], names)} Fields: {', '.join(names)}"
        )
    fields = _with_chosen(guess_fields(rows), chosen)
    reasons = _reasons(fields, chosen)
    if alone and not _says_kind(fields) and (only := only_kind(rows, fields.given().values())):
        fields = replace(fields, domain_field=only)
        reasons["domain_field"] = "the only field whose values name kinds of documents"
    if not fields.has_text:
        raise GradmaskError(
            f"{paths[0]}: no field is a text. Fields: {', '.join(names) or 'none'}. Say which: --text-field, --messages-field, or "
            "--question-field and --answer-field"
        )
    given = {key: value for key, value in fields.given().items() if not _is_default(key, value)}
    if not (_says_kind(fields) or chosen.get("domain")):
        given["domain"] = domain or (path.stem if path.is_file() else path.absolute().name)
        reasons |= {"domain": "the name of the file or folder"} if domain else {}
    return FoundSource(spec | readable | given, names, len(paths), _size(paths), reasons)


def _says_kind(fields: Fields) -> bool:
    """Whether a field says what a document is."""
    return bool(fields.domain_field or fields.label_field or fields.truth_field)


def _require_header(kind: str, path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a table whose first line is a row like the others."""
    long = [name for name in rows[0] if len(name) > LONGEST_NAME]
    again = [name for name in rows[0] if name and sum(row.get(name) == name for row in rows) > 1]
    if kind in ("csv", "tsv") and (long or again):
        raise GradmaskError(
            f"{path}: the first line must name the fields, but looks like a row ({(long or again)[0]:.40}): put a line such as "
            "topic,text above it"
        )


def _any_source(kind: str, paths: Sequence[Path], readable: Mapping[str, Any]) -> SourceSpec:
    """A source whose fields are not known yet."""
    return SourceSpec.model_validate({"kind": kind, "path": _path(paths), "domain": "any", **readable})


def _is_default(key: str, value: str) -> bool:
    return (key, value) in {("text_field", "text"), ("domain_field", "domain"), ("split_field", "split")}


def _with_chosen(fields: Fields, chosen: Mapping[str, Any]) -> Fields:
    named = {key: value for key, value in chosen.items() if key in Fields.__dataclass_fields__}
    kinds = {"text_field", "messages_field", "question_field"}
    if kinds & named.keys():  # the text is chosen, so it is not also guessed
        fields = replace(fields, **dict.fromkeys([*kinds, "answer_field"]))
    return replace(fields, **named)


def _reasons(fields: Fields, chosen: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: "as you said" if key in chosen else f"told from its name and values: {name}"
        for key, name in fields.given().items()
    }


def _of_texts(kind: str, paths: Sequence[Path], path: Path, domain: str, chosen: Mapping[str, Any]) -> FoundSource:
    """A source of files without fields: a document per paragraph (``text``) or per file (``folder``)."""
    what = {"text": "a document per paragraph", "folder": "a document per file"}[kind]
    readable = {key: value for key, value in chosen.items() if key in READABLE}
    spec = {"kind": kind, "path": str(path), "domain": str(chosen.get("domain") or domain), **readable}
    return FoundSource(spec, [], len(paths), _size(paths), {"kind": what, "domain": "the name of the file or folder"})


def _folder(path: Path, chosen: Mapping[str, Any]) -> Found:
    files = sorted(
        p for p in path.rglob("*") if p.is_file() and not any(w.startswith(".") for w in p.relative_to(path).parts)
    )
    if not files:
        raise GradmaskError(f"{path} is empty: give a folder with text (.jsonl, .csv, .parquet, .txt, ...)")
    rows, texts, left_out = _sorted(files, chosen)
    if rows:
        left_out += [f"{_count(texts)} of text without fields: {_listed(texts)}"] if texts else []
        return Found(path, _row_sources(rows, path, chosen), left_out)
    if not texts:
        raise GradmaskError(f"{path} has no text that can be read: {'; '.join(left_out)}")
    return Found(path, list(_text_sources(texts, path, chosen)), left_out)


def _sorted(files: Iterable[Path], chosen: Mapping[str, Any]) -> tuple[dict[str, list[Path]], list[Path], list[str]]:
    """Files with rows by kind, text files, and sentences on the others."""
    rows: dict[str, list[Path]] = defaultdict(list)
    texts: list[Path] = []
    others: dict[str, list[str]] = defaultdict(list)
    for path in files:
        if path.name == EXAMPLES:
            others["labeled examples"].append(f"{path}: labeled examples, for gradmask label")
            continue
        if not path.stat().st_size:
            others["empty"].append(f"{path} is empty")
            continue
        try:
            kind = chosen.get("kind") or guess_kind(path, chosen.get("encoding", "utf-8"))
        except GradmaskError as error:
            others[path.suffix].append(str(error))
            continue
        (texts if kind == "text" else rows[kind]).append(path)
    return rows, texts, [_others(sentences) for sentences in others.values()]


def _others(sentences: Sequence[str]) -> str:
    more = f" (and {len(sentences) - 1:,} more of its kind)" if len(sentences) > 1 else ""
    return f"{sentences[0]}{more}"


def _row_sources(rows: Mapping[str, list[Path]], path: Path, chosen: Mapping[str, Any]) -> list[FoundSource]:
    """One source for all files of a kind with the same fields, the same split, and, where no field says it, the same domain."""
    groups: dict[tuple[Any, ...], list[Path]] = defaultdict(list)
    for kind, paths in rows.items():
        looked: list[tuple[Any, ...]] = []
        for file in paths:
            fields = looked[0] if len(looked) >= PEEKED else _fields(kind, file, chosen)
            looked.append(fields)
            place = file.relative_to(path)
            domain = kind_named(place) if "domain" in dict(fields) else ""
            groups[kind, fields, None if "split_field" in dict(fields) else split_of(place), domain].append(file)
    several = len({domain for *_, domain in groups}) > 1
    sources = [
        (_of_rows(kind, files, path, chosen, domain if several else ""), split)
        for (kind, _, split, domain), files in groups.items()
    ]
    if len(sources) == 1 and sources[0][0].files > 1 and _is_whole(rows, path):
        return [replace(sources[0][0], spec=sources[0][0].spec | {"path": str(path)})]
    return [source if split is None else _with_split(source, split) for source, split in sources]


def _fields(kind: str, file: Path, chosen: Mapping[str, Any]) -> tuple[Any, ...]:
    """Which fields a file has for what, and whether none says what a document is; files that agree in it are one source."""
    spec = _of_rows(kind, [file], file, chosen).spec
    keys = {key: value for key, value in spec.items() if key.endswith("_field")}
    return tuple((keys | {key: "" for key in spec if key == "domain"}).items())


def _with_split(source: FoundSource, split: str) -> FoundSource:
    return replace(
        source, spec=source.spec | {"split": split}, reasons=source.reasons | {"split": "told from the file's name"}
    )


def _is_whole(rows: Mapping[str, list[Path]], folder: Path) -> bool:
    """Whether the folder, as a source of the only kind, stands for these files and no others."""
    ((kind, files),) = rows.items()
    return set(source_files(_any_source(kind, [folder], {}))) == set(files)


def _text_sources(texts: Sequence[Path], path: Path, chosen: Mapping[str, Any]) -> Iterable[FoundSource]:
    """A folder inside is a domain, and so is a large file; of small files beside each other, what their names begin with."""
    inside: dict[str, list[Path]] = defaultdict(list)
    for file in texts:
        inside[file.relative_to(path).parts[0] if file.parent != path else ""].append(file)
    for name, files in inside.items():
        if name:
            yield _of_texts("folder", files, path / name, name, chosen)
        elif all(file.stat().st_size >= LARGE for file in files):
            yield from (_of_texts("text", [file], file, file.stem, chosen) for file in files)
        elif len(patterns := patterns_of(files, path)) > 1:
            for domain, (pattern, named) in patterns.items():
                found = _of_texts("folder", named, path, domain, chosen)
                reasons = found.reasons | {"domain": "what the names of its files begin with"}
                yield replace(found, spec=found.spec | {"pattern": pattern}, reasons=reasons)
        else:
            found = _of_texts("folder", files, path, path.absolute().name, chosen)
            yield replace(found, spec=found.spec | ({"pattern": "*"} if len(inside) > 1 else {}))


def _path(paths: Sequence[Path]) -> str | list[str]:
    return str(paths[0]) if len(paths) == 1 else [str(path) for path in paths]


def _size(paths: Iterable[Path]) -> int:
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _count(files: Sequence[Any]) -> str:
    return f"{len(files):,} file{'s' * (len(files) != 1)}"


def _listed(files: Sequence[Path]) -> str:
    return ", ".join(file.name for file in files[:3]) + (", ..." if len(files) > 3 else "")
