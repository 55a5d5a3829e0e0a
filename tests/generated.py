"""Tables of the documentation that tests generate: compared with the files, or written to them by ``make docs``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
TABLE = re.compile(r"(<!-- table -->\n\n).*?(\n<!-- end of table -->)", re.DOTALL)


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    cells = [tuple(columns), ("--",) * len(columns), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in cells)


def check_table(name: str, table: str) -> None:
    """Assert that a file of ``docs/`` has this table between its markers; with GRADMASK_UPDATE_DOCS, write it there."""
    path = DOCS / name
    text = path.read_text(encoding="utf-8")
    assert TABLE.search(text), f"{name} has no <!-- table --> and <!-- end of table -->"
    expected = TABLE.sub(lambda match: match[1] + table + match[2], text)
    if os.environ.get("GRADMASK_UPDATE_DOCS"):
        path.write_text(expected, encoding="utf-8")
    else:
        assert text == expected, f"docs/{name} is stale: run make docs"
