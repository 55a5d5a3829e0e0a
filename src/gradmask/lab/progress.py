"""One way to show how work goes: messages go to the logger, steps of long work to the progress object in force.

A message is ``logging.getLogger(__name__).info(...)``, or ``.warning`` for what a user should look at. What is being done
right now, which nobody needs to keep, is `status`, inside whatever `heading` and `Countdown` are open; a job of known length is
`track`. Without a progress object in force (`showing`) nothing is shown.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

SECONDS = 60.0
"""Between two lines about long work where the output goes to a file, at most."""
SOON = 2.0
"""The same at the beginning. A tenth of the time so far lies between: an hour's log has 50 such lines, a minute's 15."""

Clock = Callable[[], float]


class Progress:
    """Shows nothing; what the others have in common."""

    def status(self, text: str) -> None:
        """What is being done now; empty where nothing is."""

    @contextmanager
    def track(self, name: str, total: int, done: int = 0) -> Iterator[None]:
        """Within: a job of ``total`` steps, of which ``done`` are behind it."""
        yield

    def step(self, done: int, fields: Mapping[str, str] | None = None) -> None:
        """So many steps of the tracked job are done; ``fields`` are shown beside them until they change."""


class Lines(Progress):
    """Writes a line now and then, for output that goes to a file.

    Args:
        write: takes a line.
        clock: seconds; for tests.
    """

    def __init__(self, write: Callable[[str], None], clock: Clock = time.monotonic) -> None:
        self.write, self.clock = write, clock
        self.began = self.last = clock()
        self._tracked = ("", 0, 0, self.last)
        self._fields: dict[str, str] = {}

    def status(self, text: str) -> None:
        self._now_and_then(text)

    @contextmanager
    def track(self, name: str, total: int, done: int = 0) -> Iterator[None]:
        self._tracked, self._fields = (name, total, done, self.clock()), {}
        yield

    def step(self, done: int, fields: Mapping[str, str] | None = None) -> None:
        name, total, first, began = self._tracked
        self._fields |= fields or {}
        parts = [f"{name}: step {done} of {total}"]
        if first < done < total:
            parts.append(time_left((self.clock() - began) / (done - first) * (total - done)))
        self._now_and_then(", ".join([*parts, *(f"{key} {value}" for key, value in self._fields.items())]))

    def _now_and_then(self, text: str) -> None:
        now = self.clock()
        if text and now - self.last >= max(SOON, min(SECONDS, (now - self.began) / 10)):
            self.last = now
            self.write(text)


_current: ContextVar[Progress] = ContextVar("gradmask_progress", default=Progress())  # noqa: B039  (it holds nothing)
_around: ContextVar[tuple[Callable[[str], str], ...]] = ContextVar("gradmask_headings", default=())


@contextmanager
def showing(progress: Progress) -> Iterator[Progress]:
    """Within: ``progress`` shows how work goes."""
    token = _current.set(progress)
    try:
        yield progress
    finally:
        _current.reset(token)


@contextmanager
def messages_to(handler: logging.Handler) -> Iterator[None]:
    """Within: ``handler`` takes the messages of the lab and the command line, and of the library its warnings."""
    with ExitStack() as undo:
        for name in ("gradmask.lab", "gradmask.cli"):
            logger = logging.getLogger(name)
            undo.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.INFO)
        logging.getLogger("gradmask").addHandler(handler)
        undo.callback(logging.getLogger("gradmask").removeHandler, handler)
        yield


def status(text: str) -> None:
    """Show what is being done now; an empty text takes away what was shown."""
    for around in reversed(_around.get()) if text else ():
        text = around(text)
    _current.get().status(text)


@contextmanager
def heading(text: str) -> Iterator[None]:
    """Within: `status` is shown after this text, which says what it is a part of."""
    with _surrounding(lambda line: f"{text}: {line}"):
        yield


@contextmanager
def _surrounding(around: Callable[[str], str]) -> Iterator[None]:
    token = _around.set((*_around.get(), around))
    try:
        yield
    finally:
        _around.reset(token)


@contextmanager
def track(name: str, total: int, done: int = 0, before: int = 0) -> Iterator[None]:
    """Within: show a job of ``total`` steps, of which ``done`` are behind it; ``before``: steps of the job before these."""
    jobs = _jobs.get()
    if jobs is not None:
        name = jobs.title(name)
        jobs.start(before, done)
    with _current.get().track(name, total, done):
        yield


def step(done: int, **fields: str) -> None:
    """Show that so many steps of the tracked job are done."""
    jobs = _jobs.get()
    if jobs is not None and (left := jobs.left(done)):
        fields[f"all {jobs.what}s"] = time_left(left)
    _current.get().step(done, fields)


class Jobs:
    """Jobs of known length, one after the other: what is tracked within one shows its number, and the time left of all.

    Args:
        what: one of them, such as ``arm``.
        sizes: name -> steps.
        finished: names of those that are done already, and take no time.
        clock: seconds; for tests.
    """

    def __init__(
        self, what: str, sizes: Mapping[str, int], finished: Collection[str] = (), clock: Clock = time.monotonic
    ) -> None:
        self.what, self.sizes, self.finished, self.clock = what, dict(sizes), {*finished}, clock
        self.name, self.before, self.first, self.began = "", 0, 0, clock()

    @contextmanager
    def job(self, name: str) -> Iterator[None]:
        """Within: this one."""
        self.name = name
        token = _jobs.set(self)
        try:
            with _surrounding(self.title):
                yield
        finally:
            _jobs.reset(token)
        self.finished.add(name)

    def title(self, text: str) -> str:
        """A text after the number of the job that it is about."""
        number = list(self.sizes).index(self.name) + 1
        return f"{self.what} {number} of {len(self.sizes)}: {text}" if len(self.sizes) > 1 else text

    def start(self, before: int, done: int) -> None:
        """Steps of the current job are tracked: those after its first ``before``, of which ``done`` are behind it."""
        self.before, self.first, self.began = before, done, self.clock()

    def left(self, done: int) -> float | None:
        """Seconds that the rest of all jobs takes, at the pace of the tracked steps; None where there is no other one left."""
        others = sum(size for name, size in self.sizes.items() if name not in self.finished and name != self.name)
        if not others or done <= self.first:
            return None
        rest = others + max(0, self.sizes[self.name] - self.before - done)
        return (self.clock() - self.began) / (done - self.first) * rest


_jobs: ContextVar[Jobs | None] = ContextVar("gradmask_jobs", default=None)


class Countdown:
    """Jobs of different weight, one after the other: `status` shows which it is, and the time left at the pace so far.

    Args:
        weights: what each job is expected to take, in any unit.
        clock: seconds; for tests.
    """

    def __init__(self, weights: Sequence[float], clock: Clock = time.monotonic) -> None:
        self.weights, self.clock = list(weights), clock
        self.done, self.began = 0, clock()

    @contextmanager
    def next(self) -> Iterator[None]:
        """Within: the next job."""
        with _surrounding(self._line):
            yield
        self.done += 1

    def skip(self, index: int) -> None:
        """The job of this index, not started yet, takes no time, since its result is there already."""
        self.weights[index] = 0.0

    def left(self) -> float | None:
        """Seconds that the rest takes, the current job counted whole; None before the first is done."""
        past, rest = sum(self.weights[: self.done]), sum(self.weights[self.done :])
        return (self.clock() - self.began) / past * rest if past and rest else None

    def _line(self, text: str) -> str:
        left = self.left()
        number = min(self.done + 1, len(self.weights))
        return f"{number} of {len(self.weights)}: {text}" + (f" ({time_left(left)})" if left else "")


def time_left(seconds: float) -> str:
    """For people: ``about 50 s left``, ``about 5 min left``."""
    amount = f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"
    return f"about {amount} left"
