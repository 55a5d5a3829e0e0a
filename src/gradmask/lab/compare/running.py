"""Training and measuring every run of a comparison that is not finished yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from gradmask.errors import GradmaskError
from gradmask.lab.compare.runs import ComparedRun, recipe_of, runs_of
from gradmask.lab.measures.results import Results, read_results
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.display import Display
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.measuring.evaluating import evaluate_run
from gradmask.lab.run.processes.pool import run_side_by_side
from gradmask.lab.run.stopping import Stopper
from gradmask.lab.run.training import train

Tell = Callable[[str], None]


@dataclass
class Progress:
    """Where messages go: of training, and of measuring. ``measuring`` takes the name of a run."""

    display: Display
    measuring: Callable[[str], AbstractContextManager[Tell]]


def run_units(
    recipe: Recipe, only: Sequence[str], progress: Progress, stopper: Stopper, jobs: int = 1
) -> list[ComparedRun]:
    """Train and measure; what is finished is not repeated, and what was begun goes on. Returns the units.

    ``jobs``: processes that share the arms and the measures of all runs. Several machines may share the work with different
    ``only``: a run's folder is held by the one that works in it.

    Raises:
        GradmaskError: see `gradmask.lab.run.training.train` and `gradmask.lab.run.measuring.evaluating.evaluate_run`.
        Interrupted: a signal came; the same call goes on from there.
    """
    units, began, worked = runs_of(recipe, only), time.monotonic(), 0
    if jobs > 1:
        owns = [recipe_of(recipe, unit) for unit in units]
        pending = [own for own in owns if results_of(own) is None]
        run_side_by_side(pending, jobs, True, progress.display, stopper)
        return units
    for number, unit in enumerate(units, 1):
        own = recipe_of(recipe, unit)
        if results_of(own) is not None:
            continue
        left = "" if not worked else f", about {_told(_pace(began, worked) * (len(units) - number + 1))} left"
        progress.display.message(f"run {number} of {len(units)}: {unit.name} ({len(unit.arms)} arms{left})")
        folder = train(own, display=progress.display, stopper=stopper).folder
        with progress.measuring(unit.name) as tell:
            evaluate_run(folder, tell)
        worked += 1
    return units


def results_of(own: Recipe) -> Results | None:
    """The results of a run, where all of it was measured as its recipe says; it may have had more arms."""
    folder = RunFolder.of(own)
    try:
        found = read_results(folder.results)
    except GradmaskError:
        return None
    wanted = own.model_dump(mode="json")
    same = all(found.recipe.get(key) == wanted[key] for key in ("data", "model", "partition", "train", "evaluate"))
    finished = all(folder.arm(name).finished for name in own.arms)
    return found if same and finished and set(found.arms) >= set(own.arms) else None


def _pace(began: float, worked: int) -> float:
    return (time.monotonic() - began) / worked


def _told(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min"
