"""Runs done by several processes at once: their pieces are shared out as what they need gets ready."""

from __future__ import annotations

import multiprocessing as mp
import os
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack

from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.display import Display
from gradmask.lab.run.failures import Interrupted, RunError
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.processes.tasks import Task, tasks_of
from gradmask.lab.run.processes.worker import Outcome, begin, work
from gradmask.lab.run.stopping import Stopper
from gradmask.lab.run.training import require_one_process

STOPPING = "stopping: each process finishes its step and saves a checkpoint; once more stops at once"


def run_side_by_side(
    recipes: Sequence[Recipe],
    jobs: int,
    measured: bool,
    display: Display,
    stopper: Stopper,
    restart: bool = False,
) -> None:
    """Train the arms of runs, and measure them where asked, in ``jobs`` processes.

    What is finished is not repeated, and what was begun goes on. Where a piece fails, those that need it are left out, the others
    are done, and the failures are told at the end. Each process uses its share of the cores; all use the same GPU.

    Args:
        recipes: of runs with folders of their own.
        jobs: processes.
        measured: down to ``results.json``.
        display: told what is done.
        stopper: installed by the caller; a signal lets every process finish its step and save a checkpoint.
        restart: delete what earlier runs left in the folders.

    Raises:
        RunError: some pieces failed, or a process died.
        GradmaskError: another process works in one of the folders, or it holds a run of another recipe.
        Interrupted: a signal came; the same call goes on from there.
    """
    require_one_process()
    with ExitStack() as held:
        for recipe in recipes:
            folder = RunFolder.of(recipe)
            held.enter_context(folder.held())
            folder.adopt(recipe, restart)
        _Pool([task for recipe in recipes for task in tasks_of(recipe, measured)], display).work(jobs)


class _Pool:
    """The tasks that are left, those in work, and what became of the others."""

    def __init__(self, tasks: Sequence[Task], display: Display) -> None:
        self.left = {task.name: task for task in tasks}
        self.total, self.display = len(tasks), display
        self.jobs = 1
        self.done: set[str] = set()
        self.failed: dict[str, str] = {}

    def work(self, jobs: int) -> None:
        self.jobs, context = jobs, mp.get_context("spawn")
        stop = context.Event()
        threads = max(1, (os.cpu_count() or 1) // jobs)
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=begin, initargs=(stop, threads))
        try:
            self._share_out(pool)
        except Interrupted as asked:
            try:
                stop.set()
                self.display.message(STOPPING)
                pool.shutdown(cancel_futures=True)
            except Interrupted:
                _kill()
            raise Interrupted(asked.number, "stopped; the same command goes on from there") from None
        except BaseException:
            _kill()
            raise
        pool.shutdown()
        if self.failed:
            lines = "\n".join(f"  {name}: {text}" for name, text in self.failed.items())
            raise RunError(f"{len(self.failed)} of {self.total} pieces failed, the others are done:\n{lines}")

    def _share_out(self, pool: ProcessPoolExecutor) -> None:
        running: dict[Future[Outcome], tuple[Task, float]] = {}
        began = time.monotonic()
        while self.left or running:
            for task in self._ready()[: max(0, self.jobs - len(running))]:
                running[pool.submit(work, self.left.pop(task.name))] = (task, time.monotonic())
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task, since = running.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    raise RunError(
                        f"a process died, perhaps while it did {task.title}: it was killed, or memory ran out. Start again, "
                        "with fewer --jobs where it was memory; what was reached is kept"
                    ) from None
                if outcome.memory and self.jobs > 1:
                    self.jobs -= 1
                    self.left[task.name] = task
                    self.display.message(
                        f"memory ran out in {task.title}: it is done again, with {self.jobs} at a time"
                    )
                else:
                    self._ended(task, outcome.problem, time.monotonic() - since, time.monotonic() - began)

    def _ready(self) -> list[Task]:
        lost = {name for name, task in self.left.items() if any(need in self.failed for need in task.needs)}
        for name in lost:
            del self.left[name]
            self.failed[name] = "not begun, since what it needs failed"
        if lost:
            return self._ready()
        ready = [task for task in self.left.values() if self.done.issuperset(task.needs)]
        return sorted(ready, key=lambda task: task.urgency)

    def _ended(self, task: Task, problem: str, seconds: float, elapsed: float) -> None:
        if problem:
            self.failed[task.name] = problem
            self.display.message(f"{task.title} failed: {problem}")
            return
        self.done.add(task.name)
        rest = elapsed / len(self.done) * (self.total - len(self.done))
        left = f", about {max(1, round(rest / 60))} min left" if rest else ""
        self.display.message(f"{len(self.done)} of {self.total}: {task.title} ({seconds:.0f} s{left})")


def _kill() -> None:
    for process in mp.active_children():
        process.kill()
