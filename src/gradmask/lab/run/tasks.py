"""What runs consist of: a graph of tasks (data, arms, rungs of the ladder, measures), each of which any process can do.

Between tasks everything is in the runs' folders, so a task that was done before finds its result there and takes no time.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gradmask.lab.measures.registry import find, of_a_model
from gradmask.lab.progress import Countdown, heading
from gradmask.lab.recipe.arms import ARMS, NO_FILTER, PERFECT_FILTER
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.knowledge import about_labels
from gradmask.lab.run.measuring.across_arms import ladder_of
from gradmask.lab.run.measuring.amounts import suite_of
from gradmask.lab.run.measuring.evaluating import evaluate_run
from gradmask.lab.run.measuring.examination import Examination, jobs, weight
from gradmask.lab.run.training import Training, train_arm, unlearn_arm

logger = logging.getLogger(__name__)
Kind = Literal["data", "train", "unlearn", "rung", "measure", "finish"]
ORDER: tuple[Kind, ...] = ("data", "unlearn", "train", "rung", "measure", "finish")
"""Of tasks that could start now: what most others wait for comes first."""


@dataclass(frozen=True)
class Task:
    """A part of a run. ``what``: an arm, or a rung's share of the forget text."""

    recipe: Recipe
    kind: Kind
    what: str = ""
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Unique among the tasks of runs with different folders."""
        return " ".join(part for part in (self.recipe.output, self.kind, self.what) if part)

    @property
    def run(self) -> str:
        """For people: the end of the run's folder."""
        return "/".join(Path(self.recipe.output).parts[-2:])

    @property
    def title(self) -> str:
        """For people: the run, and what is done there."""
        return " ".join(part for part in (self.run, self.kind, self.what) if part)

    @property
    def urgency(self) -> int:
        """Smaller is sooner: most wait for no filter, then for the perfect filter."""
        starts = self.kind == "train" and self.what in (NO_FILTER, PERFECT_FILTER)
        return -1 if starts else ORDER.index(self.kind)


def tasks_of(recipe: Recipe, measured: bool, shared: bool = True) -> list[Task]:
    """Everything that a run consists of, in an order in which it can be done, with what each task needs.

    Args:
        recipe: of the run.
        measured: with its measures, down to ``results.json``.
        shared: several processes share them. Rungs and measures are then tasks of their own; otherwise the last task, which
            does what it does not find, does them all, and shows the time that is left of them all.
    """
    data = Task(recipe, "data")
    trained = [Task(recipe, "train", name, (data.name,)) for name in recipe.arms if not ARMS[name].unlearns]
    starts = {task.what: task.name for task in trained if task.what in (NO_FILTER, PERFECT_FILTER)}
    needs = (data.name, *starts.values())
    unlearned = [Task(recipe, "unlearn", name, needs) for name in recipe.arms if ARMS[name].unlearns]
    tasks = [data, *trained, *unlearned]
    if measured and shared:
        tasks += _measures(recipe, tasks, starts)
    return [*tasks, Task(recipe, "finish", needs=tuple(task.name for task in tasks))] if measured else tasks


def _measures(recipe: Recipe, tasks: list[Task], starts: dict[str, str]) -> list[Task]:
    spec, (data, *arms) = recipe.evaluate, tasks
    shares = spec.ladder if "leakage" in spec.measures and recipe.data.simulate is not None else []
    rungs = [Task(recipe, "rung", str(share), (data.name,)) for share in shares]
    needs_level = any(find(name).needs_target for name in _asked(recipe))  # attacks that aim at the loss of no filter
    level = (starts[NO_FILTER],) if needs_level and NO_FILTER in starts else ()
    return rungs + [Task(recipe, "measure", arm.what, (arm.name, *level)) for arm in arms]


def _asked(recipe: Recipe) -> list[str]:
    return [name for name in of_a_model() if name in recipe.evaluate.measures]


def do(task: Task, training: Training) -> None:
    """Do a task. The caller holds the run's folder. ``training``: of the task's recipe.

    Raises:
        GradmaskError: see `train_arm`, `unlearn_arm` and `evaluate_run`.
        Interrupted: a signal came.
    """
    match task.kind:
        case "data":
            for line in about_labels(training.recipe, training.prepared):
                logger.info("%s", line)
        case "train" | "unlearn" if training.folder.arm(task.what).finished:
            logger.info("%s is already trained", task.what)
        case "train":
            train_arm(training, training.prepared, task.what)
        case "unlearn":
            unlearn_arm(training, training.prepared, task.what)
        case "rung":
            ladder = ladder_of(task.recipe, training.folder, training.prepared)
            ladder.trained(float(task.what), training.stopper)
        case "measure":
            _measure(training, task.what)
        case "finish":
            with heading(f"measuring {task.run}"):
                evaluate_run(training.folder)


def _measure(training: Training, arm: str) -> None:
    """Every measure of one arm, kept in the run's folder."""
    spec, settings = training.recipe.evaluate, suite_of(training.recipe.evaluate, training.recipe.train.seed)
    todo = jobs([arm], _asked(training.recipe), training.recipe)
    countdown = Countdown([6.0 * spec.sequences, *(weight(job, settings) for job in todo)])
    examination = Examination(training.recipe, training.folder, training.prepared)
    with countdown.next():
        examination.losses(arm)
    for job in todo:
        with countdown.next():
            examination.examine(job)
