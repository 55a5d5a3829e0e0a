"""What several commands do: train a recipe, evaluate a run, write its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gradmask.cli.output import work_console

if TYPE_CHECKING:
    from gradmask.evaluate.results import Results
    from gradmask.train.folder import RunFolder
    from gradmask.train.recipe import Recipe


def train_recipe(recipe: Recipe, restart: bool) -> RunFolder:
    """Train with a progress bar; signals stop after a step."""
    from gradmask.train.display import RichDisplay
    from gradmask.train.run import train
    from gradmask.train.stopping import Stopper

    display = RichDisplay(work_console())
    stopper = Stopper(display.message)
    with stopper.installed():
        return train(recipe, restart, display, stopper).folder


def evaluate_folder(path: Path) -> tuple[Results, Path]:
    """Measure a run's finished arms; write ``results.json`` and the report. Returns the results and the page."""
    from gradmask.report.html import write_report
    from gradmask.train.evidence import evaluate_run
    from gradmask.train.folder import RunFolder

    with work_console().status("") as status:
        results = evaluate_run(RunFolder(path), status.update)
        status.update("writing the report")
        return results, write_report(results, RunFolder(path).report)
