"""Running the Python of a page: its blocks in their order, in a fresh folder, in one namespace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.docs.blocks import ROOT, Block, blocks

PAGES = list(dict.fromkeys(block.page for block in blocks("python", run=True)))
SLOW = {
    "docs/evidence.md": "attacks two models",
    "docs/results_schema.md": "reads a finished run",
    "docs/review.md": "labels a corpus",
    "docs/tutorial.md": "opens the export of a run",
    "docs/stacks.md": "imports TRL and trains with three of its trainers",
}
"""Pages whose Python takes longer, and why; tests/docs/test_whole_pages.py runs them."""
ELSEWHERE = {
    "docs/architectures.md": "tests/contract/test_docs.py",
    "docs/labeling.md": "tests/data/label/test_docs.py",
}
"""Pages that other tests run, which look at what comes out."""
QUICK = [page for page in PAGES if page not in {**SLOW, **ELSEWHERE}]


def namespace() -> dict[str, Any]:
    """What the first block of a page begins with."""
    return {"__name__": "page"}


def run(block: Block, names: dict[str, Any]) -> None:
    """Run a block among the names that the blocks before it left."""
    code = "\n" * block.line + block.code  # so that a traceback names the line of the page
    exec(compile(code, str(ROOT / block.page), "exec"), names)  # our own page


def run_page(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run every block of a page in ``folder``; the names that they leave."""
    monkeypatch.chdir(folder)
    names = namespace()
    for block in blocks("python", run=True):
        if block.page == page:
            run(block, names)
    return names
