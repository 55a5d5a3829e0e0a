"""The rows of a file of questions, every one of them, and the right choice of a row as files write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gradmask.data import SourceSpec, first_rows
from gradmask.errors import GradmaskError, did_you_mean

MOST = 100_000
KINDS = ("jsonl", "json", "csv", "parquet")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NEEDED = "needed: JSON lines, JSON, CSV or Parquet, with a row for each question"


def question_rows(path: str | Path) -> list[dict[str, Any]]:
    """All rows of a JSONL, JSON, CSV or Parquet file.

    Raises:
        GradmaskError: there is no such file, it is of another kind, or one of its rows cannot be read; more than 100,000 rows.
    """
    place = Path(path)
    if place.is_dir():
        raise GradmaskError(f"{path} is a folder, not a file of questions; {NEEDED}")
    if not place.is_file():
        beside = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else []
        raise GradmaskError(f"there is no file of questions {path}.{did_you_mean(place.name, beside)}")
    rows = first_rows(_source(place), MOST + 1, every=True)
    if len(rows) > MOST:
        raise GradmaskError(f"{path}: more than {MOST:,} questions: give a part of them")
    return rows


def _source(place: Path) -> SourceSpec:
    try:
        source = SourceSpec(path=str(place))  # type: ignore[call-arg]
    except ValidationError:
        raise GradmaskError(f"{place} is no file of questions; {NEEDED}") from None
    if source.kind not in KINDS:
        raise GradmaskError(f"{place} is read as {source.kind}, not as a file of questions; {NEEDED}")
    if source.kind == "parquet":
        return source
    _require_utf8(place)
    array = source.kind == "jsonl" and _begins(place, "[")
    return SourceSpec(path=str(place), kind="json") if array else source  # type: ignore[call-arg]


def _begins(place: Path, sign: str) -> bool:
    with place.open(encoding="utf-8", errors="replace") as file:
        return file.read(99).lstrip().startswith(sign)


def _require_utf8(place: Path) -> None:
    """A recipe says no encoding of questions."""
    try:
        with place.open(encoding="utf-8") as file:
            for _ in file:
                pass
    except UnicodeDecodeError as error:
        if place.suffix.lower() in (".gz", ".bz2", ".xz", ".zst"):
            return
        raise GradmaskError(f"{place} is not UTF-8 ({error.reason}): save it as UTF-8") from None


def typed_rows(path: str | Path) -> bool:
    """Whether a file tells numbers from texts."""
    return ".csv" not in [suffix.lower() for suffix in Path(path).suffixes]


def listed(choices: Any) -> Any:
    """A list of choices, also where a CSV file has it as JSON; anything else as it is."""
    if not isinstance(choices, str) or not choices.startswith("["):
        return choices
    try:
        return json.loads(choices)
    except (ValueError, RecursionError):
        return None


def right_choice(answer: Any, choices: list[Any], where: str, typed: bool = True) -> Any:
    """The choice that is meant: by its number from 0, its text, or its letter; what is none of these comes back as it is.

    Raises:
        GradmaskError: a text that is one choice and the number of another, in a file without types.
    """
    if type(answer) is int:
        return choices[answer] if 0 <= answer < len(choices) else answer
    if not isinstance(answer, str):
        return answer
    text = answer.strip()
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else None
    meant = choices[number] if number is not None and number < len(choices) else None
    same = next((choice for choice in choices if str(choice) in (answer, text)), None)
    if not typed and same is not None and meant is not None and str(same) != str(meant):
        raise GradmaskError(
            f"{where}: the answer {text!r} is one choice and the number of another: write the letters A, B, ... "
            "or give the questions as JSON lines"
        )
    if same is not None or meant is not None:
        return same if same is not None else meant
    letter = LETTERS.find(text.upper()) if len(text) == 1 else -1
    return choices[letter] if 0 <= letter < len(choices) else answer
