"""Stopping on Ctrl-C and on SIGTERM: at once, or, while training, after the step, with a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from gradmask.lab.run.failures import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopper:
    """What signals do now.

    Args:
        notify: told once, when a stop is asked for and put off until the step ends.
    """

    def __init__(self, notify: Callable[[str], None] = lambda message: None) -> None:
        self.notify = notify
        self.requested: int | None = None
        self._putting_off = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler. The second signal always stops at once."""
        if self._putting_off and self.requested is None:
            self.requested = number
            self.notify("stopping: the step is finished first, then a checkpoint saved; once more stops at once")
            return
        raise Interrupted(number)

    @contextmanager
    def after_step(self) -> Iterator[None]:
        """Within: the first signal only sets ``requested``."""
        self._putting_off = True
        try:
            yield
        finally:
            self._putting_off = False

    @contextmanager
    def installed(self) -> Iterator[Stopper]:
        """Handle SIGINT and SIGTERM; outside the main thread, where Python cannot, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self.handle) for number in SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
