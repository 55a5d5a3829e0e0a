"""Every code block of README.md, CONTRIBUTING.md and docs/, and how it is marked.

A comment before a block says that it cannot run as it stands: ``<!-- not run: a reason -->``. Readers do not see it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARK = re.compile(r"<!-- not run: (.+?) -->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A code block: its page, the line of its first fence, its language, and why it does not run (empty: it runs)."""

    page: str
    line: int
    language: str
    code: str
    not_run: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of a page in their order."""
    name, before = page.relative_to(ROOT).as_posix(), ""
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(page.read_text(encoding="utf-8")):
        if token.type in ("fence", "code_block"):
            mark = MARK.fullmatch(before.strip())
            reason = " ".join(mark[1].split()) if mark else ""
            yield Block(name, (token.map or [0])[0] + 1, token.info, token.content, reason)
        before = token.content if token.type == "html_block" else ""


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def blocks(language: str, *, run: bool | None = None) -> list[Block]:
    """The blocks of a language: all, those that run, or those that do not."""
    return [block for block in BLOCKS if block.language == language and run in (None, not block.not_run)]
