"""What runs consist of, piece by piece: data, arms, rungs of the ladder, measures; each piece can be done by any process.

Between pieces everything is in the runs' folders, so a piece that was done before is found there and takes no time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gradmask.data import Prepared
from gradmask.lab.measures.registry import find, of_a_model
from gradmask.lab.recipe.arms import ARMS, NO_FILTER, PERFECT_FILTER
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.display import Display
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.measuring.across_arms import ladder_of
from gradmask.lab.run.measuring.amounts import suite_of
from gradmask.lab.run.measuring.evaluating import evaluate_run
from gradmask.lab.run.measuring.examination import Examination, jobs, weight
from gradmask.lab.run.measuring.pace import Pace
from gradmask.lab.run.stopping import Stopper
from gradmask.lab.run.training import Run, train_arm, unlearn_arm

Kind = Literal["data", "train", "unlearn", "rung", "measure", "finish"]
ORDER: tuple[Kind, ...] = ("data", "unlearn", "train", "rung", "measure", "finish")
"""Of pieces that could begin now: what most others wait for comes first."""


@dataclass(frozen=True)
class Task:
    """A piece of a run. ``what``: an arm, or a rung's share of the forget text."""

    recipe: Recipe
    kind: Kind
    what: str = ""
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Unique among the tasks of runs with different folders."""
        return " ".join(part for part in (self.recipe.output, self.kind, self.what) if part)

    @property
    def title(self) -> str:
        """For people: the end of the run's folder, and what is done there."""
        return " ".join(part for part in ("/".join(Path(self.recipe.output).parts[-2:]), self.kind, self.what) if part)

    @property
    def urgency(self) -> int:
        """Smaller is sooner: most wait for no filter, then for the perfect filter."""
        starts = self.kind == "train" and self.what in (NO_FILTER, PERFECT_FILTER)
        return -1 if starts else ORDER.index(self.kind)


def tasks_of(recipe: Recipe, measured: bool) -> list[Task]:
    """Everything that a run consists of, with what each piece needs.

    Args:
        recipe: of the run.
        measured: with its measures, down to ``results.json``.
    """
    data = Task(recipe, "data")
    arms = {
        name: Task(recipe, "unlearn" if ARMS[name].unlearns else "train", name, (data.name,)) for name in recipe.arms
    }
    starts = tuple(arms[name].name for name in (NO_FILTER, PERFECT_FILTER) if name in arms)
    for name, task in arms.items():
        if task.kind == "unlearn":
            arms[name] = Task(recipe, "unlearn", name, (data.name, *starts))
    found = [data, *arms.values()]
    if not measured:
        return found
    spec, last = recipe.evaluate, []
    if "leakage" in spec.measures:
        last += [Task(recipe, "rung", str(share), (data.name,)) for share in spec.ladder]
    asked = [m for m in of_a_model() if m in spec.measures]
    level = starts[:1] if any(find(m).needs_target for m in asked) else ()
    last += [Task(recipe, "measure", name, (task.name, *level)) for name, task in arms.items()]
    return [*found, *last, Task(recipe, "finish", needs=tuple(task.name for task in (*found, *last)))]


def do(task: Task, display: Display, stopper: Stopper) -> None:
    """Do a piece. The caller holds the run's folder.

    Raises:
        GradmaskError: see `gradmask.lab.run.training.train` and `gradmask.lab.run.measuring.evaluating.evaluate_run`.
        Interrupted: ``stopper`` was asked to stop.
    """
    folder = RunFolder.of(task.recipe)
    run = Run(task.recipe, folder, display, stopper)
    if task.kind == "finish":
        evaluate_run(folder, display.message)
        return
    prepared = run.prepared()
    if task.kind == "rung":
        ladder_of(task.recipe, folder, prepared).trained(float(task.what), stopper)
    elif task.kind == "measure":
        _measure(run, prepared, task.what)
    elif task.kind in ("train", "unlearn") and not folder.arm(task.what).finished:
        (train_arm if task.kind == "train" else unlearn_arm)(run, prepared, task.what)


def _measure(run: Run, prepared: Prepared, arm: str) -> None:
    """Every measure of one arm, kept in the run's folder."""
    spec, settings = run.recipe.evaluate, suite_of(run.recipe.evaluate, run.recipe.train.seed)
    todo = jobs([arm], [m for m in of_a_model() if m in spec.measures])
    pace = Pace(run.display.message, [6.0 * spec.sequences, *(weight(job, settings) for job in todo)])
    look = Examination(run.recipe, run.folder, prepared, pace)
    look.losses(arm)
    pace.end()
    for job in todo:
        look.examine(job)
