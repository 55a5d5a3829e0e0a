"""Training and measuring every run of a comparison that is not finished yet."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from gradmask.errors import GradmaskError
from gradmask.lab.compare.runs import ComparedRun, recipe_of, runs_of
from gradmask.lab.measures.results import Results, read_results
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.driver import perform
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.stopping import Stopper

logger = logging.getLogger(__name__)


def perform_runs(recipe: Recipe, only: Sequence[str], stopper: Stopper, jobs: int = 1) -> list[ComparedRun]:
    """Train and measure; finished runs are not repeated, and what was started is resumed. Returns the runs.

    ``jobs``: processes that share the arms and the measures of all runs. Several machines may share the work with different
    ``only``: a run's folder is locked by the one that works in it.

    Raises:
        GradmaskError: see `gradmask.lab.run.driver.perform`.
        Interrupted: a signal came; the same call resumes.
    """
    runs = runs_of(recipe, only)
    pending = [own for run in runs if results_of(own := recipe_of(recipe, run)) is None]
    if len(pending) < len(runs):
        logger.info("%d of %d runs are already finished", len(runs) - len(pending), len(runs))
    perform(pending, measured=True, jobs=jobs, stopper=stopper)
    return runs


def results_of(own: Recipe) -> Results | None:
    """The results of a run, where all of it was measured as its recipe says; it may have had more arms."""
    folder = RunFolder.of(own)
    try:
        results = read_results(folder.results)
    except GradmaskError:
        return None
    wanted = own.model_dump(mode="json")
    same = all(results.recipe.get(key) == wanted[key] for key in ("data", "model", "partition", "train", "evaluate"))
    finished = all(folder.arm(name).finished for name in own.arms)
    return results if same and finished and set(results.arms) >= set(own.arms) else None
