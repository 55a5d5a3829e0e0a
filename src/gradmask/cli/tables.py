"""Tables in a terminal of any width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table
from rich.text import Text

from gradmask.strangers import visible

NAMES = 10
"""Characters into which names are broken where a terminal is narrow."""


def table_of(title: str, *names: str, numbers: Sequence[str] = ()) -> Table:
    """A table whose first columns are names, and whose last ones are numbers."""
    look: Any = {"title_justify": "left", "title_style": "bold", "box": box.SIMPLE_HEAD, "collapse_padding": True}
    table = FittingTable(title=title or None, pad_edge=False, **look)
    for name in names:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


class FittingTable(Table):
    """A table that becomes a list, an entry for each row, where its numbers do not fit the terminal."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if sum(map(self._least, self.columns)) <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        if self.title:
            yield Text(visible(f"{self.title}\n"), "bold")
        headers = [" ".join(visible(str(column.header)).split()) for column in self.columns]
        for row in zip(*(map(_plain, column.cells) for column in self.columns), strict=True):
            yield Text(row[0], "bold")
            cells = zip(headers[1:], row[1:], strict=True)
            yield Text("\n".join(f"  {header}: {cell}" for header, cell in cells if cell))
        yield ""

    def _least(self, column: Column) -> int:
        """Characters that a column needs, and the space around it; names may be broken."""
        lines = [line for cell in (column.header, *column.cells) for line in str(cell).splitlines()]
        longest = max(map(len, lines), default=0)
        return 2 + (longest if column.no_wrap else min(longest, NAMES))


def _plain(cell: Any) -> str:
    return visible(str(cell)).strip()
