"""What is labeled: any source that a recipe may name, of which nothing but the text is needed."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gradmask.data.kinds import kind_of, kind_of_file
from gradmask.data.peeking import table_in
from gradmask.data.reading import files_of
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError

NO_DOMAIN = "unlabeled"
"""The domain of a document without one, which is left to the recipe."""


class InputSpec(SourceSpec):
    """A source to be labeled. A domain, labels, scores and the truth are read where they are, and may be missing anywhere."""

    @property
    def required_fields(self) -> list[str]:
        """The fields that a table must have: none with labels, scores or the truth."""
        return [name for name in super().required_fields if name not in self.label_fields]

    @property
    def fields(self) -> list[str]:
        """Every field that is read, where there is one."""
        return list(dict.fromkeys([*super().fields, *self.label_fields]))

    @property
    def domain_required(self) -> bool:
        """Whether every row needs a domain: only in a field that was chosen."""
        return self.domain is None and self.domain_field not in (None, "domain")


def inputs(paths: Sequence[str | Path], **settings: Any) -> list[InputSpec]:
    """The sources of files, folders and patterns, in order; ``settings`` are those of a `SourceSpec`.

    A text file that holds a table is read as one (see `tables_in_text`), unless ``kind`` is given.

    Raises:
        GradmaskError: there is no such file, its kind cannot be told, or a setting is wrong.
    """
    if settings.get("kind"):
        return [_input(settings["kind"], list(map(str, paths)), settings)]
    try:
        kinds = [(_kind(str(path), settings.get("encoding", "utf-8")), str(path)) for path in paths]
    except ValueError as error:
        missing = [
            path for path in map(str, paths) if not glob.has_magic(path) and not Path(path).expanduser().exists()
        ]
        if missing:  # of which its name says nothing, either
            raise GradmaskError(f"there is no file or folder {missing[0]}: give the text to label") from None
        raise GradmaskError(str(error)) from None
    runs = groupby(kinds, key=lambda pair: pair[0])
    return [_input(kind, [path for _, path in run], settings) for kind, run in runs]


def _kind(path: str, encoding: str) -> str:
    """By the name; a text file that holds a table is one, and so is a pattern all of whose files do."""
    kind = kind_of([path])
    return (_kind_of_tables(path, encoding) if kind == "text" else None) or kind


def _kind_of_tables(path: str, encoding: str) -> str | None:
    """The one kind of all tables that ``path`` names. No other file is read after one that is no table."""
    kinds: set[str] = set()
    for file in sorted(glob.glob(str(Path(path).expanduser()), recursive=True)):
        table = table_in(Path(file), encoding)
        if table is None:
            return None
        kinds.add(table[0])
    return kinds.pop() if len(kinds) == 1 else None


def tables_in_text(sources: Sequence[InputSpec]) -> list[Path]:
    """The files of ``sources`` that are read as tables though their names say text."""
    rows = [source for source in sources if source.kind in ("csv", "tsv")]
    return [path for source in rows for path in files_of(source) if kind_of_file(path) == "text"]


def _input(kind: str, paths: list[str], settings: dict[str, Any]) -> InputSpec:
    given: dict[str, Any] = {**settings, "kind": kind, "path": paths}
    if kind == "text" or (kind == "folder" and _has_files_of_its_own(paths)):
        given = {"domain": NO_DOMAIN, **given}
    if kind in ("text", "folder"):
        given = {name: value for name, value in given.items() if not name.endswith("_field")}
    try:
        return InputSpec(**given)
    except ValidationError as error:
        problems = "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
        raise GradmaskError(f"{', '.join(paths)}: {problems}") from None


def _has_files_of_its_own(paths: Sequence[str]) -> bool:
    """Whether a file lies in the folder itself, where no folder's name can be its domain."""
    return any(child.is_file() for path in paths if Path(path).is_dir() for child in Path(path).iterdir())


def files_within(source: SourceSpec) -> list[Path]:
    """The files of a source, with those of a dataset's folder."""
    return [
        file
        for path in files_of(source)
        for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
        if file.is_file()
    ]
