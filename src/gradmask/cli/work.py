"""What several commands do: train a recipe, evaluate a run, write its report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradmask.cli.output import telling, work_console

if TYPE_CHECKING:
    from gradmask.lab.measures.results import Results
    from gradmask.lab.recipe.spec import Recipe
    from gradmask.lab.run.folder import RunFolder


def train_recipe(recipe: Recipe, restart: bool, jobs: int = 1) -> RunFolder:
    """Train with a progress bar, or several arms at once with a line for each; signals stop after a step."""
    from gradmask.lab.run.display import RichDisplay
    from gradmask.lab.run.stopping import Stopper
    from gradmask.lab.run.training import train

    display = RichDisplay(work_console())
    stopper = Stopper(display.message)
    with stopper.installed():
        if jobs > 1:
            from gradmask.lab.run.folder import RunFolder
            from gradmask.lab.run.processes.pool import run_side_by_side

            run_side_by_side([recipe], jobs, False, display, stopper, restart)
            return RunFolder.of(recipe)
        return train(recipe, restart, display, stopper).folder


def evaluate_folder(path: Path, changes: Sequence[str] = ()) -> tuple[Results, Path]:
    """Measure a run's finished arms; write ``results.json`` and the report. Returns the results and the page."""
    from gradmask.lab.run.measuring.evaluating import evaluate_run

    return _reported(path, lambda folder, tell: evaluate_run(folder, tell, changes))


def attack_folder(path: Path, changes: Sequence[str] = ()) -> tuple[Results, Path]:
    """As `evaluate_folder`, with the attacks alone."""
    from gradmask.lab.run.measuring.evaluating import attack_run

    return _reported(path, lambda folder, tell: attack_run(folder, tell, changes))


def _reported(path: Path, work: Callable[[RunFolder, Callable[[str], None]], Results]) -> tuple[Results, Path]:
    from gradmask.lab.report.html import write_report
    from gradmask.lab.run.folder import RunFolder

    folder = RunFolder(path)
    with telling(work_console()) as tell:
        results = work(folder, tell)
        tell("writing the report")
        return results, write_report(results, folder.report)
