"""What the user sees while a run trains: a bar with the time left, and the losses per domain as they go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

MANY = 6
"""More domains than this are shown as the means of their roles; the log and the results hold every one."""


def brief(losses: Mapping[str, float], roles: Mapping[str, str]) -> dict[str, float]:
    """Domain -> loss as it is, or role -> mean loss where there are `MANY` domains."""
    if len(losses) <= MANY:
        return dict(losses)
    by_role: dict[str, list[float]] = {}
    for domain, loss in losses.items():
        by_role.setdefault(roles[domain], []).append(loss)
    return {role: sum(found) / len(found) for role, found in sorted(by_role.items())}


class Display:
    """Shows nothing; what the others have in common."""

    @contextmanager
    def arm(self, name: str, steps: int, done: int) -> Iterator[None]:
        """Within: the arm ``name`` trains, from step ``done`` to ``steps``."""
        yield

    def step(self, step: int) -> None:
        """A step ended."""

    def loss(self, loss: float) -> None:
        """The mean training loss of the last steps, in nats per token."""

    def point(self, step: int, losses: Mapping[str, Mapping[str, float]]) -> None:
        """A point of the training curve: ``full`` and ``removed`` -> domain (or role) -> held-out loss."""

    def message(self, text: str) -> None:
        """Something the user should know."""


class RichDisplay(Display):
    """A progress bar in a terminal; plain lines where the output goes to a file."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress: Progress | None = None
        self.name, self.steps = "", 0

    @contextmanager
    def arm(self, name: str, steps: int, done: int) -> Iterator[None]:
        self.name, self.steps = name, steps
        columns = (
            TextColumn("{task.description:<14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
        )
        try:
            with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as self.progress:
                self.progress.add_task(name, total=steps, completed=done, loss="")
                yield
        finally:
            self.progress = None

    def step(self, step: int) -> None:
        self._update(completed=step)

    def loss(self, loss: float) -> None:
        self._update(loss=f"loss {loss:.3f}")

    def point(self, step: int, losses: Mapping[str, Mapping[str, float]]) -> None:
        parts = [f"{what}: {'  '.join(f'{d} {v:.3f}' for d, v in by.items())}" for what, by in losses.items()]
        self.message(f"{self.name} step {step}/{self.steps}   {'   |   '.join(parts)}")

    def message(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _update(self, **values: Any) -> None:
        if self.progress is not None:
            self.progress.update(self.progress.task_ids[0], **values)
