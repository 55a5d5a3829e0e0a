"""What a worker process does: one task after another, and what became of each."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing import current_process
from typing import Any

import torch

from gradmask.errors import GradmaskError
from gradmask.lab.progress import Lines, messages_to, showing
from gradmask.lab.run.failures import Interrupted
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.stopping import Stopper
from gradmask.lab.run.tasks import Task, do
from gradmask.lab.run.training import Training
from gradmask.quiet import quiet
from gradmask.strangers import visible

_stop: Any = None
"""In a worker: the event that asks it to stop."""
_parent = 0
"""In a worker: the id of the first process."""
_busy = threading.Lock()
"""In a worker: locked while it does a task."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task: ``problem`` is empty where it is done; ``memory``: it failed for want of that."""

    problem: str = ""
    memory: bool = False


def begin(stop: Any, threads: int) -> None:
    """In a new worker: signals are the first process's business."""
    global _stop, _parent
    _stop, _parent = stop, os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    number = current_process().name.rpartition("-")[2]  # LokyProcess-1, LokyProcess-2, ...
    take_device(int(number) if number.isdecimal() else 0)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def take_device(worker: int) -> None:
    """Let a worker see one of several GPUs, in turn. Before CUDA is used, and so by a variable that it reads then."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = shown.split(",") if shown else [str(i) for i in range(torch.cuda.device_count())]
    if len(devices) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[worker % len(devices)]


def _end_with_parent() -> None:
    """Exit when the first process was killed, after the current step: a worker would wait for its next task forever."""
    while os.getppid() == _parent:
        time.sleep(1.0)
    with _busy:
        os._exit(1)


def work(task: Task) -> Outcome:
    """Do a task in a worker."""
    stopper = _Asked()
    try:
        with _busy, quiet(), messages_to(_printing(task.run)), showing(_Stoppable(stopper)):
            stopper.check()
            do(task, Training(task.recipe, RunFolder.of(task.recipe), stopper))
    except GradmaskError as error:
        return Outcome(str(error))
    except Interrupted:
        return Outcome("stopped")
    except Exception as error:  # the tasks of other runs continue
        if not _memory(error):
            traceback.print_exc()
        return Outcome(f"{type(error).__name__}: {error}", _memory(error))
    finally:
        _free_memory()
    return Outcome()


def _memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _free_memory() -> None:
    """What this process keeps cached, also on a GPU that others use."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _printing(run: str) -> logging.Handler:
    """Prints messages under the name of the run."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Visible(f"{run.replace('%', '%%')}: %(message)s"))
    return handler


class _Visible(logging.Formatter):
    """Names that come from data may hold anything."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


class _Asked(Stopper):
    """Stops when the first process says so, or is gone."""

    @property
    def requested(self) -> int | None:  # type: ignore[override]
        gone = _parent and os.getppid() != _parent
        return signal.SIGTERM if gone or (_stop is not None and _stop.is_set()) else None

    @requested.setter
    def requested(self, number: int | None) -> None:
        pass

    def check(self) -> None:
        """Stop now, where that was asked for."""
        if (number := self.requested) is not None:
            raise Interrupted(number)


class _Stoppable(Lines):
    """Lines now and then; between two things that are done, work can be stopped. Training stops by itself, after a step."""

    def __init__(self, stopper: _Asked) -> None:
        super().__init__(logging.getLogger(__name__).info)
        self.stopper = stopper

    def status(self, text: str) -> None:
        self.stopper.check()
        super().status(text)
