"""``gradmask compare``: gradmask against every rival, on equal terms and over several seeds."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradmask.cli.output import AsJson, Changes, Jobs, RecipePath, logger, print_json, result_console
from gradmask.cli.tables import table_of
from gradmask.lab.progress import status

if TYPE_CHECKING:
    from gradmask.lab.compare.results import Comparison
    from gradmask.lab.recipe.spec import Recipe

NAME = "compare"
EXAMPLES = """
gradmask compare demo --dry-run
gradmask compare demo
gradmask compare demo --only 'main/seed-0'
gradmask compare demo --jobs 2
gradmask compare demo --set compare.arms=[gradmask,no_filter,perfect_filter,npo] --set output=runs/fewer
"""


def run(
    recipe: RecipePath,
    changes: Changes = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="PATTERN",
            help="Do only these runs, such as main/seed-0 or '*/seed-1': for several processes or machines. Repeatable.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check everything and list the runs, with the time they take; do not train."),
    ] = False,
    jobs: Jobs = 1,
    as_json: AsJson = False,
) -> None:
    """Train, unlearn and measure every arm with every seed, on the same data, budget and tokenizer.

    The recipe's key compare says which arms, seeds and label noise.
    The same command resumes what was stopped; what is finished is not repeated. Each run is an ordinary run in a
    folder of its own, for gradmask evaluate, attack, report and export.
    """
    from gradmask.lab.recipe.loading import load_recipe
    from gradmask.lab.run.launcher import speaks

    status("checking the recipe")
    loaded = load_recipe(recipe, changes or ())
    if dry_run:
        _plan(loaded, only or (), as_json)
        return
    compared = _compare(loaded, only or (), jobs, _command(recipe, changes or ()))
    if compared is None:
        if speaks():
            logger.info(
                "these runs are finished; the comparison needs at least one with the recipe's own labels (main/seed-...)"
            )
        return
    results, page = compared
    if as_json:
        print_json({**results.model_dump(mode="json"), "page": str(page)})
        return
    _print(results)
    logger.info("page: %s", page)


def _command(recipe: Path, changes: Sequence[str]) -> str:
    options = "".join(f" --set {shlex.quote(change)}" for change in changes)
    return f"gradmask compare {shlex.quote(str(recipe))}{options}"


def _compare(recipe: Recipe, only: Sequence[str], jobs: int, command: str) -> tuple[Comparison, Path] | None:
    """Do the runs; what they say together and its page, as far as there is something to compare with."""
    from gradmask.lab.compare.page import write_page
    from gradmask.lab.compare.running import perform_runs
    from gradmask.lab.compare.runs import folder_of
    from gradmask.lab.compare.settling import settled_comparison
    from gradmask.lab.compare.table import any_main, comparison
    from gradmask.lab.run.launcher import speaks
    from gradmask.lab.run.stopping import Stopper
    from gradmask.lab.run.team import started

    with Stopper().installed() as stopper, started():
        recipe = settled_comparison(recipe)
        perform_runs(recipe, only, stopper, jobs)
    if not speaks() or (only and not any_main(recipe)):
        return None
    status("comparing the runs")
    compared = comparison(recipe, command)
    return compared, write_page(compared, folder_of(recipe))


def _plan(recipe: Recipe, only: Sequence[str], as_json: bool) -> None:
    from gradmask.lab.compare.plan import make_plan

    rows, seconds = make_plan(recipe, only)
    if as_json:
        print_json({"runs": rows, "seconds": seconds})
        return
    table = table_of(f"{recipe.name}: comparison", "run", "arms", numbers=("done", "left"))
    for row in rows:
        table.add_row(row["run"], ", ".join(row["arms"]), str(len(row["done"])), _time(row["seconds"]))
    result_console().print(table)
    result_console().print(
        f"about {_time(seconds)} of training left; measuring takes more time on top", highlight=False
    )


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _print(comparison: Comparison) -> None:
    from gradmask.lab.compare.words import BRIEF, table_of as compared_table, verdict

    console = result_console()
    for name, setting in comparison.settings.items():
        columns, rows = compared_table(setting, BRIEF)
        seeds = ", ".join(map(str, setting.seeds))
        table = table_of(f"{comparison.name}, {name}: seeds {seeds}", "model", numbers=columns)
        for title, row in rows:
            table.add_row(title, *row)
        console.print(table)
    for line in verdict(comparison):
        console.print(line, highlight=False)
    if comparison.missing:
        console.print(f"not finished: {', '.join(comparison.missing)}", highlight=False, style="yellow")
