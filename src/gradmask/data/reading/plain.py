"""Plain text: a file whose documents are separated by blank lines, or a folder in which a file is a document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gradmask.data.reading.content import require_kind
from gradmask.data.reading.counts import BLANK, Row, Skipped
from gradmask.data.reading.lines import lines_of, too_long
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError


def paragraphs(path: Path, source: SourceSpec) -> Iterator[Row | Skipped]:
    """The blocks of a file between blank lines, as the field that the source calls its text."""
    require_kind(path, source.kind)
    block = _Block(path, source)
    for number, text in lines_of(path, source.encoding, source.longest_bytes):
        if isinstance(text, str) and not text.strip():
            yield from block.end()
        else:
            block.add(number, text)
    yield from block.end()


def whole_file(path: Path, source: SourceSpec) -> Iterator[Row | Skipped]:
    """A file as one document; its domain, if the source gives none, is the folder below the source's that it is in."""
    require_kind(path, source.kind)
    block = _Block(path, source)
    for number, text in lines_of(path, source.encoding, source.longest_bytes):
        block.add(number, text)
    rows = list(block.end()) or [Skipped(BLANK, f"{path}: blank")]
    for row in rows:
        yield row if isinstance(row, Skipped) else Row(str(path), row.values | _domain(path, source))


def _domain(path: Path, source: SourceSpec) -> dict[str, str]:
    if source.domain is not None or source.domain_field is None:
        return {}
    for root in source.roots:
        if path.is_relative_to(root) and len(parts := path.relative_to(root).parts) > 1:
            return {source.domain_field: parts[0]}
    raise GradmaskError(
        f"{path} is in no folder below {', '.join(map(str, source.roots))}, whose name would be its domain: set domain, or move it "
        "into a folder"
    )


class _Block:
    """Lines of one document, up to the limit of the source. Line ends become ``\\n``."""

    def __init__(self, path: Path, source: SourceSpec) -> None:
        self.path, self.field, self.limit = path, source.text_field, source.longest_bytes
        self.lines: list[str] = []
        self.first, self.size = 0, 0
        self.problem: Skipped | None = None

    def add(self, number: int, text: str | Skipped) -> None:
        self.first = self.first or number
        if isinstance(text, Skipped):
            self.problem = self.problem or text
        elif self.problem is None:
            self.size += len(text)
            self.lines.append(text.replace("\r\n", "\n"))
        if self.size > self.limit:
            self.problem = self.problem or too_long(self.where, self.limit)
        if self.problem:
            self.lines = []

    @property
    def where(self) -> str:
        return f"{self.path}, line {self.first}"

    def end(self) -> Iterator[Row | Skipped]:
        """The document of the lines so far, if there are any, and a new one."""
        if self.problem:
            yield self.problem
        elif text := "".join(self.lines).strip():
            yield Row(self.where, {self.field: text})
        self.lines, self.first, self.size, self.problem = [], 0, 0, None
