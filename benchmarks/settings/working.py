"""A process of the study: it takes tasks until there is none, or no time."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from queue import Empty
from typing import Any

import torch

from benchmarks.settings.chosen import settled
from benchmarks.settings.runs import run


def work(folder: Path, tasks: Any, results: Any, until: float) -> None:
    """Take tasks until there is none, or no time."""
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = True
    while time.time() < until:
        try:
            task = tasks.get(timeout=1)
        except Empty:
            return
        try:
            results.put(run(folder, settled(folder, task)))
        except Exception:
            results.put({"failed": repr(task), "why": traceback.format_exc()})
