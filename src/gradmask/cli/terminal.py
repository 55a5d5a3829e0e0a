"""Progress in a terminal: a bar for a job of known length, a line for everything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress as Bars,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.status import Status

from gradmask.lab.progress import Progress
from gradmask.strangers import visible


class Terminal(Progress):
    """One of the two at a time; messages on the same console appear above it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.line: Status | None = None
        self.bar: Bars | None = None
        self.fields: dict[str, str] = {}

    def status(self, text: str) -> None:
        if self.line is not None and not text:
            self.line.stop()
            self.line = None
        elif self.line is not None:
            self.line.update(escape(text))
        elif text and self.bar is None:
            self.line = self.console.status(escape(text))
            self.line.start()

    @contextmanager
    def track(self, name: str, total: int, done: int = 0) -> Iterator[None]:
        self.status("")
        columns = (
            TextColumn("{task.description:<14}"),
            BarColumn(None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[shown]}"),
        )
        try:
            with Bars(*columns, console=self.console, expand=True) as self.bar:
                self.bar.add_task(escape(visible(name)), total=total, completed=done, shown="")
                yield
        finally:
            self.bar, self.fields = None, {}

    def step(self, done: int, fields: Mapping[str, str] | None = None) -> None:
        if self.bar is not None:
            self.fields |= fields or {}
            shown: Any = escape(visible("  ".join(f"{name} {value}" for name, value in self.fields.items())))
            self.bar.update(self.bar.task_ids[0], completed=done, shown=shown)
