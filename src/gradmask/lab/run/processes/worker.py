"""What a process of the pool does: one piece after another, and what became of each."""

from __future__ import annotations

import gc
import multiprocessing as mp
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any

import torch

from gradmask.errors import GradmaskError
from gradmask.lab.run.display import Display
from gradmask.lab.run.failures import Interrupted
from gradmask.lab.run.processes.tasks import Task, do
from gradmask.lab.run.stopping import Stopper
from gradmask.quiet import quiet

SECONDS = 60.0
"""Between two lines about one piece of work, unless it trains: what is said then is rare."""
_stop: Any = None
"""In a worker: the event that asks it to stop."""


@dataclass(frozen=True)
class Outcome:
    """What became of a piece: ``problem`` is empty where it is done; ``memory``: it failed for want of that."""

    problem: str = ""
    memory: bool = False


def begin(stop: Any, threads: int) -> None:
    """In a new worker: signals are the first process's business."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)


def work(task: Task) -> Outcome:
    """Do a task in a worker."""
    stopper = _Asked()
    try:
        with quiet():
            do(task, _Lines(task.title, stopper, 0 if task.kind == "train" else SECONDS), stopper)
    except GradmaskError as error:
        return Outcome(str(error))
    except Interrupted:
        return Outcome("stopped")
    except Exception as error:  # the pieces of other runs go on
        if not _memory(error):
            traceback.print_exc()
        return Outcome(f"{type(error).__name__}: {error}", _memory(error))
    finally:
        _give_back()
    return Outcome()


def _memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _give_back() -> None:
    """The memory that this process keeps for itself, on a GPU that others use, too."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


class _Asked(Stopper):
    """Stops when the first process says so, or is gone."""

    @property
    def requested(self) -> int | None:  # type: ignore[override]
        parent = mp.parent_process()
        gone = parent is not None and not parent.is_alive()
        return signal.SIGTERM if gone or (_stop is not None and _stop.is_set()) else None

    @requested.setter
    def requested(self, number: int | None) -> None:
        pass


class _Lines(Display):
    """What the user should know, as lines under the piece's name; between them work can be stopped."""

    def __init__(self, name: str, stopper: Stopper, every: float) -> None:
        self.name, self.stopper, self.every, self.said = name, stopper, every, time.monotonic()

    def message(self, text: str) -> None:
        if (number := self.stopper.requested) is not None:
            raise Interrupted(number)
        if time.monotonic() - self.said >= self.every:
            self.said = time.monotonic()
            print(f"{self.name}: {text}", file=sys.stderr, flush=True)
