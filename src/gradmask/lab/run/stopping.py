"""Stopping on Ctrl-C and on SIGTERM: at once, or, while training, after the step, with a checkpoint."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gradmask.lab.run.failures import Interrupted
from gradmask.lab.run.launcher import launched

logger = logging.getLogger(__name__)
GRACE = 3.0
"""Seconds within which a launcher's second signal is the first one."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopper:
    """What signals do now."""

    def __init__(self) -> None:
        self.requested: int | None = None
        self._finishing_steps = False
        self._since = 0.0

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler. The second signal always stops at once."""
        if self.requested is not None and time.monotonic() - self._since < GRACE and launched() > 1:
            return  # a launcher passes on the signal that this process had from the terminal, too
        if self._finishing_steps and self.requested is None:
            self.requested, self._since = number, time.monotonic()
            logger.info("stopping: finishing this step and saving a checkpoint (interrupt again to stop at once)")
            return
        raise Interrupted(number)

    @contextmanager
    def after_step(self) -> Iterator[None]:
        """Within: the first signal only sets ``requested``."""
        self._finishing_steps = True
        try:
            yield
        finally:
            self._finishing_steps = False

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
