"""Stopping on Ctrl-C and on SIGTERM: at once, or, while training, after the step, with a checkpoint."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gradmask.lab.run.failures import Interrupted

logger = logging.getLogger(__name__)
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopper:
    """What signals do now."""

    def __init__(self) -> None:
        self.requested: int | None = None
        self._finishing_steps = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler. The second signal always stops at once."""
        if self._finishing_steps and self.requested is None:
            self.requested = number
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
