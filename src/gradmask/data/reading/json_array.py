"""JSON files: an array of objects, or objects one after the other. Only one object and a part of the file are in memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gradmask.data.reading.content import require_kind
from gradmask.data.reading.counts import NOT_JSON, Row, Skipped
from gradmask.data.reading.encoding import advice, open_text
from gradmask.data.reading.opening import naming_damage
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError

_PART = 1 << 20
_WHITE_SPACE = re.compile(r"\s*")
_NEAR = 32
"""An error this near to the end of what was read may be due to the end."""


def json_values(path: Path, source: SourceSpec) -> Iterator[Row | Skipped]:
    """The objects of a file, one by one.

    Raises:
        GradmaskError: it is damaged, not JSON, of another kind, or an object is longer than ``longest_document``.
    """
    require_kind(path, source.kind)
    number = 0
    with naming_damage(path, lambda: f"item {number}"), open_text(path, source.encoding) as file:
        for value in _values(_Text(path, file), source.longest_bytes):
            number += 1
            where = f"{path}, item {number}"
            if isinstance(value, dict):
                yield Row(where, value)
            else:
                yield Skipped(NOT_JSON, f"{where}: needs a JSON object, got {type(value).__name__}")


def _values(text: _Text, limit: int) -> Iterator[Any]:
    in_array = text.take("[")
    if in_array and text.take("]"):
        return
    while text.more():
        yield text.value(limit)
        if not in_array:
            continue
        if text.take("]"):
            if text.more():
                raise text.error("more text after the array")
            return
        if not text.take(",") and text.more():
            raise text.error("needs ',' or ']' after an object")
    if in_array:
        raise text.error("the array has no end: is the file truncated?")


class _Text:
    """A window on the text of a file."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path, self.file, self.window, self.at, self.items = path, file, "", 0, 0
        self.decode, self.ended = codecs.getincrementaldecoder("utf-8")(), False
        self.parse = json.JSONDecoder().raw_decode

    def more(self) -> bool:
        """Skip white space; whether there is anything after it."""
        while True:
            self.at = _WHITE_SPACE.match(self.window, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.window) or not self.read():
                return self.at < len(self.window)

    def take(self, character: str) -> bool:
        """Skip this character, if it is the next one."""
        found = self.more() and self.window[self.at] == character
        self.at += found
        return found

    def read(self, size: int = _PART) -> bool:
        """Read on, and forget what was parsed."""
        if self.ended:
            return False
        raw = self.file.read(size)
        try:
            self.window = self.window[self.at :] + self.decode.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            place = raw[max(0, error.start - 100) : error.start + 100]
            raise self.error(f"not valid UTF-8 ({error.reason}): {advice(self.path, place)}") from None
        self.at, self.ended = 0, not raw
        return True

    def value(self, limit: int) -> Any:
        """The next value, of at most ``limit`` characters."""
        size = _PART
        while True:
            try:
                value, self.at = self.parse(self.window, self.at)
                self.items += 1
                return value
            except json.JSONDecodeError as error:
                if self.ended or not (error.msg.startswith("Unterminated") or error.pos > len(self.window) - _NEAR):
                    raise self.error(f"not valid JSON ({error.msg})") from None
            except (ValueError, RecursionError) as error:
                raise self.error(f"JSON that cannot be parsed ({error})") from None
            if len(self.window) - self.at > limit:
                raise self.error(
                    f"longer than longest_document ({limit / 1e6:g} MB), or a quote is not closed: set longest_document, or "
                    "convert the file to JSON lines, where long rows are skipped and counted"
                )
            self.read(size)
            size *= 2

    def error(self, problem: str) -> GradmaskError:
        return GradmaskError(f"{self.path}, item {self.items + 1}: {problem}")
