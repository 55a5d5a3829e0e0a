"""One way to show how work goes: messages go to the logger, steps of long work to the progress object in force.

A message is ``logging.getLogger(__name__).info(...)``. What is being done right now, which nobody needs to keep, is
`status`; a job of known length is `track`. Without a progress object in force (`showing`) nothing is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar


class Progress:
    """Shows nothing; what the others have in common."""

    def status(self, text: str) -> None:
        """What is being done now."""

    @contextmanager
    def track(self, name: str, total: int, done: int = 0) -> Iterator[None]:
        """Within: a job of ``total`` steps, of which ``done`` are behind it."""
        yield

    def step(self, done: int, fields: Mapping[str, str] | None = None) -> None:
        """So many steps of the tracked job are done; ``fields`` are shown beside the bar."""


_current: ContextVar[Progress] = ContextVar("gradmask_progress", default=Progress())  # noqa: B039  (it holds nothing)


@contextmanager
def showing(progress: Progress) -> Iterator[Progress]:
    """Within: ``progress`` shows how work goes."""
    token = _current.set(progress)
    try:
        yield progress
    finally:
        _current.reset(token)


def status(text: str) -> None:
    """Show what is being done now."""
    _current.get().status(text)


@contextmanager
def track(name: str, total: int, done: int = 0) -> Iterator[None]:
    """Within: show a job of ``total`` steps."""
    with _current.get().track(name, total, done):
        yield


def step(done: int, **fields: str) -> None:
    """Show that so many steps of the tracked job are done."""
    _current.get().step(done, fields)
