"""How a run can fail although its input is good."""

from __future__ import annotations

import signal

from gradmask.errors import GradmaskError


class RunError(GradmaskError):
    """A run that cannot continue: a full disk, a loss that is not finite. Its checkpoints are kept."""


class Interrupted(BaseException):
    """A signal ended the command; the exit code is 128 + the signal's number. Like Ctrl-C, it is not an `Exception`."""

    def __init__(self, number: int, message: str = "") -> None:
        self.number = number
        super().__init__(message or f"interrupted by {signal.Signals(number).name}")

    @property
    def exit_code(self) -> int:
        return 128 + self.number
