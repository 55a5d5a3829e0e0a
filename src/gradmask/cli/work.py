"""What several commands do: perform runs, evaluate one, write its report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradmask.lab.progress import status

if TYPE_CHECKING:
    from gradmask.lab.measures.campaign.budget import Budget
    from gradmask.lab.measures.results import Results
    from gradmask.lab.recipe.spec import Recipe
    from gradmask.lab.run.folder import RunFolder


def train_recipe(
    recipe: Recipe, restart: bool, jobs: int = 1, measured: bool = False, timeout: float | None = None
) -> RunFolder:
    """Train the arms of a recipe, and measure them where asked; signals stop after a step."""
    from gradmask.lab.run.driver import perform
    from gradmask.lab.run.folder import RunFolder
    from gradmask.lab.run.stopping import Stopper
    from gradmask.lab.run.team import started

    with Stopper().installed() as stopper, started(timeout):
        perform([recipe], measured, jobs, stopper, restart)
    return RunFolder.of(recipe)


def evaluate_folder(path: Path, changes: Sequence[str] = ()) -> tuple[Results, Path]:
    """Measure a run's finished arms; write ``results.json`` and the report. Returns the results and the page."""
    from gradmask.lab.run.folder import RunFolder
    from gradmask.lab.run.measuring.evaluating import changed_recipe, evaluate_run
    from gradmask.lab.run.stopping import Stopper
    from gradmask.lab.run.team import started
    from gradmask.lab.run.together import measure_together

    with started() as team:
        if team.world > 1:
            measure_together(changed_recipe(RunFolder(path), changes), team, Stopper())
        if team.first:
            return reported(path, lambda folder: evaluate_run(folder, changes))
    raise SystemExit(0)  # the first process shows what all have measured


def attack_folder(path: Path, changes: Sequence[str] = (), budget: Budget | None = None) -> tuple[Results, Path]:
    """As `evaluate_folder`, with the attacks alone: all of them, or as many as a budget allows."""
    from gradmask.lab.run.measuring.evaluating import attack_run, campaign_run

    if budget is None:
        return reported(path, lambda folder: attack_run(folder, changes))
    return reported(path, lambda folder: campaign_run(folder, budget, changes))


def reported(path: Path, results_of: Callable[[RunFolder], Results]) -> tuple[Results, Path]:
    """The results of a run's folder, and the page that is written of them."""
    from gradmask.lab.report.html import write_report
    from gradmask.lab.run.folder import RunFolder

    folder = RunFolder(path)
    results = results_of(folder)
    status("writing the report")
    return results, write_report(results, folder.report)
