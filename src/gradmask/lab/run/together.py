"""What the processes of a launcher do of a run: they train each arm together, and divide everything else among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from graphlib import TopologicalSorter

from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.stopping import Stopper
from gradmask.lab.run.tasks import Task, do, tasks_of
from gradmask.lab.run.team import Team
from gradmask.lab.run.training import Training

TOGETHER = ("train", "rung")
"""Kinds of tasks that train a model from its beginning, with one engine over all processes."""


def do_together(tasks: Sequence[Task], team: Team, stopper: Stopper) -> None:
    """Do every task, those that wait for others after them; a collective call.

    Raises:
        GradmaskError: of a task that this process did. The others hear of it (`gradmask.lab.run.team.watching`).
        Interrupted: a signal came.
    """
    graph = TopologicalSorter({task.name: task.needs for task in tasks})
    graph.prepare()
    trainings = _Trainings(stopper)
    while graph.is_active():
        names = set(graph.get_ready())
        ready = [task for task in tasks if task.name in names]
        for task in ready:
            if task.kind in TOGETHER:
                do(task, trainings.of(task.recipe))
        for task in team.share([task for task in ready if task.kind not in TOGETHER]):
            team.doing = task.title
            do(task, trainings.of(task.recipe))
        team.wait()
        graph.done(*names)


def measure_together(recipe: Recipe, team: Team, stopper: Stopper) -> None:
    """Measure the finished arms of a run, divided among the processes; what they find is kept in its folder."""
    folder = RunFolder.of(recipe)
    done = [name for name in recipe.arms if folder.arm(name).finished]
    tasks = tasks_of(recipe.model_copy(update={"arms": done}), measured=True)
    kept = [replace(task, needs=()) for task in tasks if task.kind in ("rung", "measure")]
    do_together(kept, team, stopper)


class _Trainings:
    """One object for each run: its data is opened once."""

    def __init__(self, stopper: Stopper) -> None:
        self.stopper = stopper
        self.known: dict[str, Training] = {}

    def of(self, recipe: Recipe) -> Training:
        made = Training(recipe, RunFolder.of(recipe), self.stopper)
        return self.known.setdefault(recipe.output, made)
