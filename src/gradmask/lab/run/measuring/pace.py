"""Which of how many jobs is done, and about how long the rest takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

Progress = Callable[[str], None]


class Pace:
    """Tells lines with the number of the job, and the time left as the jobs so far went.

    Args:
        tell: where lines go.
        weights: what each job is expected to take, in any unit.
        clock: seconds; for tests.
    """

    def __init__(self, tell: Progress, weights: Sequence[float], clock: Callable[[], float] = time.monotonic) -> None:
        self.tell, self.weights, self.clock = tell, list(weights), clock
        self.done, self.began = 0, clock()

    def line(self, text: str) -> None:
        """What is being done within the current job."""
        number = min(self.done + 1, len(self.weights))
        left = self.left()
        self.tell(f"{number} of {len(self.weights)}: {text}" + (f" (about {_told(left)} left)" if left else ""))

    def end(self) -> None:
        """The current job is done."""
        self.done += 1

    def skip(self, index: int) -> None:
        """The job of this index, not begun yet, takes no time, since what it finds is there already."""
        self.weights[index] = 0.0

    def left(self) -> float | None:
        """Seconds that the rest takes, the current job counted whole; None before the first is done."""
        past, rest = sum(self.weights[: self.done]), sum(self.weights[self.done :])
        return (self.clock() - self.began) / past * rest if past and rest else None


def _told(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"
