"""The pages: links lead somewhere, every page can be reached from the README, paths and imports in them exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
START = ROOT / "README.md"
PAGES = [START, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PATH = re.compile(r"(?:src|tests|benchmarks|examples|recipes|docs)/[\w./-]+")


def tokens(page: Path) -> list[Token]:
    """Every token of a page, those inside paragraphs too."""
    blocks = MarkdownIt("gfm-like", {"linkify": False}).parse(page.read_text(encoding="utf-8"))
    return [token for block in blocks for token in (block, *(block.children or []))]


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """File and anchor of every relative link and image."""
    for token in tokens(page):
        target = str(token.attrGet("href") or token.attrGet("src") or "")
        if target and "://" not in target:
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    parsed = tokens(page)
    headings = [text.content for start, text in pairwise(parsed) if start.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def imports(page: Path) -> Iterator[tuple[str, str]]:
    """Module and name of every import from gradmask in a page's Python blocks."""
    for token in tokens(page):
        if token.type == "fence" and token.info == "python":
            for node in ast.walk(ast.parse(token.content)):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith("gradmask"):
                    yield from ((str(node.module), alias.name) for alias in node.names)


def has(module: str, word: str) -> bool:
    """Whether the module has the name, or a module of that name in it."""
    return hasattr(import_module(module), word) or find_spec(f"{module}.{word}") is not None


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = [
        f"{path}#{anchor}"
        for path, anchor in links(page)
        if not path.exists() or (anchor and anchor not in anchors(path))
    ]
    assert broken == []


def test_every_page_is_reachable_from_the_readme() -> None:
    reached, waiting = {START}, [START]
    while waiting:
        new = {path for path, _ in links(waiting.pop()) if path.suffix == ".md" and path.exists()} - reached
        reached |= new
        waiting += new
    assert set(PAGES) - reached == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_paths_in_code_spans_exist(page: Path) -> None:
    spans = [token.content for token in tokens(page) if token.type == "code_inline"]
    missing = [span for span in spans if (path := PATH.match(span)) and not (ROOT / path[0]).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_imports_in_code_blocks_resolve(page: Path) -> None:
    missing = [f"{module}.{word}" for module, word in imports(page) if not has(module, word)]
    assert missing == []
