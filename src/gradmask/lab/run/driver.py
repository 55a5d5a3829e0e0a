"""The driver of runs: one executor performs their tasks, alone in this process or with several."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack, nullcontext
from graphlib import TopologicalSorter
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.backend import get_context

from gradmask.errors import GradmaskError
from gradmask.lab.progress import Jobs, time_left
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.ending import recorded
from gradmask.lab.run.examples import steps_of_arms
from gradmask.lab.run.failures import Interrupted, RunError
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.inspecting import tell
from gradmask.lab.run.settling import settle
from gradmask.lab.run.stopping import Stopper
from gradmask.lab.run.tasks import Task, do, tasks_of
from gradmask.lab.run.team import Team, started
from gradmask.lab.run.together import do_together
from gradmask.lab.run.training import Training
from gradmask.lab.run.worker import Outcome, begin, work
from gradmask.quiet import quiet

logger = logging.getLogger(__name__)


def train(recipe: Recipe, restart: bool = False, stopper: Stopper | None = None, jobs: int = 1) -> RunFolder:
    """Train every arm of a recipe that is not finished yet; see `perform`. Returns the run's folder."""
    perform([recipe], jobs=jobs, stopper=stopper, restart=restart)
    return RunFolder.of(recipe)


@quiet()
def perform(
    recipes: Sequence[Recipe],
    measured: bool = False,
    jobs: int = 1,
    stopper: Stopper | None = None,
    restart: bool = False,
) -> None:
    """Train the arms of runs, and measure them where asked.

    What is finished is not repeated, and what was started is resumed. Alone (``jobs=1``), the runs are done one after the other and
    the first failure is raised. With several processes, a task that fails does not stop the others, and failures are listed at
    the end; the models are the same bit for bit. Each process uses its share of the cores, and one of the GPUs.

    Where a launcher started several processes (torchrun, accelerate launch), they train each arm together, and divide unlearning
    and measures among them; the first failure ends all.

    Args:
        recipes: checked, of runs with folders of their own.
        measured: down to ``results.json``.
        jobs: processes.
        stopper: what signals do (`Stopper.installed`): every process finishes its step and saves a checkpoint. By default signals
            are not handled.
        restart: delete what earlier runs left in the folders.

    Raises:
        GradmaskError: bad data, another recipe in a folder, or another process works there.
        RunError: a run cannot continue; or, with several processes, some tasks failed, or a process died.
        Interrupted: a signal came; the same call resumes.
    """
    with started() as team, ExitStack() as locks:
        _require_one_way(jobs, team)
        recipes = _opened(recipes, restart, team, locks)
        shared = jobs > 1 or team.world > 1
        tasks = [task for recipe in recipes for task in tasks_of(recipe, measured, shared)]
        if jobs > 1:
            _in_processes(_Schedule(tasks, jobs), jobs)
        elif team.world > 1:
            do_together(tasks, team, stopper or Stopper())
        else:
            _Schedule(tasks).perform(_Here(stopper or Stopper()))


def _require_one_way(jobs: int, team: Team) -> None:
    if team.world > 1 and jobs > 1:
        raise GradmaskError(
            f"--jobs {jobs} and {team.world} processes of a launcher: take one of the two. The launcher's processes train each "
            "arm together, and divide unlearning and measures among them"
        )


def _opened(recipes: Sequence[Recipe], restart: bool, team: Team, locks: ExitStack) -> Sequence[Recipe]:
    """The recipes with every value: the first process begins the runs and holds their folders, the others read them there."""
    if not team.first:
        team.wait()
        return [RunFolder.of(recipe).recipe() for recipe in recipes]
    for recipe in recipes:
        locks.enter_context(RunFolder.of(recipe).locked())
        locks.enter_context(recorded(RunFolder.of(recipe).path))
    # The runs of a comparison differ in their labels' noise alone, and would all say the same.
    begun = [_begun(recipe, restart, telling=len(recipes) == 1) for recipe in recipes]
    team.wait()
    return begun


def _begun(recipe: Recipe, restart: bool, telling: bool) -> Recipe:
    """The recipe with every value, adopted by its folder."""
    folder = RunFolder.of(recipe)
    if restart:
        folder.clear()
    new = not folder.started
    if telling:
        tell(Training(recipe, folder))
    settled = settle(recipe, folder)
    folder.adopt(settled.recipe)
    if new:
        settled.keep(folder)
        if telling:
            settled.tell()
    return settled.recipe


class _Here(Executor):
    """In the place of worker processes: does a task when it is submitted. An error passes as it is, and ends the run."""

    def __init__(self, stopper: Stopper) -> None:
        self.stopper = stopper
        self.training: Training | None = None
        """Of the run that was worked on last: its data is opened once."""
        self.arms: Jobs | None = None
        """Of the same run."""

    def submit(self, fn: Any, task: Task, /) -> Future[Outcome]:  # type: ignore[override]
        if self.training is None or self.training.recipe is not task.recipe:
            self.training, self.arms = Training(task.recipe, RunFolder.of(task.recipe), self.stopper), None
        with self._numbered(task, self.training):
            do(task, self.training)
        done: Future[Outcome] = Future()
        done.set_result(Outcome())
        return done

    def _numbered(self, task: Task, training: Training) -> AbstractContextManager[None]:
        """Within: an arm is shown with its number, and the time left of all arms."""
        if task.kind not in ("train", "unlearn"):
            return nullcontext()
        if self.arms is None:
            finished = [name for name in task.recipe.arms if training.folder.arm(name).finished]
            self.arms = Jobs("arm", steps_of_arms(task.recipe, training.prepared), finished)
        return self.arms.job(task.what)


def _in_processes(schedule: _Schedule, jobs: int) -> None:
    """Perform the tasks in worker processes; see `perform` for what is raised."""
    context = get_context("loky")  # new interpreters: a forked process cannot use CUDA
    stop, threads = context.Event(), max(1, (os.cpu_count() or 1) // jobs)
    pool = ProcessPoolExecutor(jobs, context=context, initializer=begin, initargs=(stop, threads))
    try:
        schedule.perform(pool)
        pool.shutdown()
    except Interrupted as signaled:
        stop.set()
        logger.info(
            "stopping: every process finishes its step and saves a checkpoint (interrupt again to stop at once)"
        )
        _wait_or_kill(pool)
        raise Interrupted(signaled.number, "stopped; run the same command again to resume") from None
    except BaseException:
        pool.shutdown(kill_workers=True)
        raise
    schedule.raise_failures()


def _wait_or_kill(pool: ProcessPoolExecutor) -> None:
    try:
        pool.shutdown()
    except Interrupted:
        pool.shutdown(kill_workers=True)


class _Schedule:
    """Which tasks are ready, which are running, and what became of the others."""

    def __init__(self, tasks: Sequence[Task], jobs: int = 1) -> None:
        self.tasks, self.jobs, self.shared = {task.name: task for task in tasks}, jobs, jobs > 1
        self.position = {task.name: i for i, task in enumerate(tasks)}
        self.graph = TopologicalSorter({task.name: task.needs for task in tasks})
        self.graph.prepare()
        self.ready: list[Task] = []
        self.running: dict[Future[Outcome], tuple[Task, float]] = {}
        self.done: set[str] = set()
        self.failed: dict[str, str] = {}
        self.began = time.monotonic()

    def perform(self, pool: Executor) -> None:
        """Do every task whose needs can be met.

        Raises:
            RunError: a worker process died.
        """
        try:
            while self._submit(pool) or self.running:
                for future in wait(self.running, return_when=FIRST_COMPLETED).done:
                    outcome = future.result()
                    self._ended(*self.running.pop(future), outcome)
        except BrokenProcessPool as error:
            raise RunError(_died([task.title for task, _ in self.running.values()], str(error))) from None

    def raise_failures(self) -> None:
        """Raise a RunError that lists the tasks that failed, where any did."""
        left = [name for name in self.tasks if name not in self.done and name not in self.failed]
        failed = self.failed | dict.fromkeys(left, "not started, because a task that it needs failed")
        if failed:
            lines = "\n".join(f"  {self.tasks[name].title}: {problem}" for name, problem in failed.items())
            raise RunError(f"{len(failed)} of {len(self.tasks)} tasks failed, the others are done:\n{lines}")

    def _submit(self, pool: Executor) -> bool:
        """Start what can be started; whether anything was."""
        self.ready += [self.tasks[name] for name in self.graph.get_ready()]
        self.ready.sort(key=lambda task: (task.urgency if self.shared else 0, self.position[task.name]))
        start = self.ready[: max(0, self.jobs - len(self.running))]
        del self.ready[: len(start)]
        for task in start:
            self._announce(task)
            self.running[pool.submit(work, task)] = (task, time.monotonic())
        return bool(start)

    def _announce(self, task: Task) -> None:
        """Alone, with several runs: which one starts, and when it is measured. Several processes report what has ended."""
        if self.shared:
            return
        runs = list(dict.fromkeys(t.recipe.output for t in self.tasks.values()))
        if len(runs) > 1 and task.kind == "data":
            number, arms = runs.index(task.recipe.output) + 1, len(task.recipe.arms)
            size = f"{arms} arm{'s' if arms > 1 else ''}"
            logger.info("run %d of %d: %s (%s%s)", number, len(runs), task.run, size, self._left())
        elif task.kind == "finish":
            logger.info("measuring %s", task.run)

    def _ended(self, task: Task, since: float, outcome: Outcome) -> None:
        if outcome.memory and self.jobs > 1:
            self.jobs -= 1
            self.ready.append(task)
            logger.warning("out of memory in %s; retrying with %d workers", task.title, self.jobs)
        elif outcome.problem:
            self.failed[task.name] = outcome.problem
            logger.error("%s failed: %s", task.title, outcome.problem)
        else:
            self.done.add(task.name)
            self.graph.done(task.name)
            if self.shared:
                seconds = time.monotonic() - since
                state = (len(self.done), len(self.tasks), task.title, seconds, self._left())
                logger.info("%d of %d: %s (%.0f s%s)", *state)

    def _left(self) -> str:
        """The time left, at the pace of the tasks so far; empty where nothing is done yet, or nothing left."""
        done, rest = len(self.done), len(self.tasks) - len(self.done)
        return f", {time_left((time.monotonic() - self.began) / done * rest)}" if done and rest else ""


def _died(titles: list[str], reason: str) -> str:
    codes = "".join(f" ({line.strip()})" for line in reason.splitlines() if "exit codes" in line)
    return (
        f"a worker process died while these tasks ran: {', '.join(titles)}{codes}. It was killed, or out of memory. Run the "
        "same command again, with fewer --jobs if it was memory: it resumes from the last checkpoints"
    )
