"""``gradmask train``: train the arms of a recipe, or show what that would take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradmask.cli.output import AsJson, Changes, Jobs, Restart, Timeout, logger, print_json, result_console

NAME = "train"
EXAMPLES = """
Examples:\n
  gradmask train demo --dry-run\n
  gradmask train package_docs\n
  gradmask train recipe.yaml --set train.steps=2000 --set output=runs/longer\n
  gradmask train recipe.yaml --restart\n
  torchrun --nproc-per-node 8 -m gradmask train recipe.yaml --set train.engine=fsdp2
"""


def run(
    recipe: Annotated[Path, typer.Argument(help="A recipe: a YAML file that describes the whole run.")],
    changes: Changes = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check everything and print the plan (sizes, steps, time, disk); do not train."),
    ] = False,
    restart: Restart = False,
    jobs: Jobs = 1,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Train the arms of a recipe: gradmask and the baselines it is compared with.

    The same command resumes a run that was stopped; finished arms are not trained again.
    """
    from gradmask.lab.recipe.loading import load_recipe

    loaded = load_recipe(recipe, changes or ())
    if dry_run:
        from gradmask.cli.plan import print_plan
        from gradmask.lab.run.plan import make_plan

        plan = make_plan(loaded, restart)
        print_json(plan.to_dict()) if as_json else print_plan(plan, result_console())
        raise typer.Exit(0 if plan.fits else 1)
    from gradmask.cli.work import train_recipe
    from gradmask.lab.run.launcher import speaks

    folder = train_recipe(loaded, restart, jobs, timeout=timeout)
    if speaks() and as_json:
        print_json({"folder": str(folder.path), "arms": {name: str(folder.arm(name).model) for name in loaded.arms}})
    elif speaks():
        logger.info("trained %s in %s. Next: gradmask evaluate %s", ", ".join(loaded.arms), folder.path, folder.path)
