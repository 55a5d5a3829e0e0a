"""``gradmask train``: train the arms of a recipe, or show what that would take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gradmask.cli.output import AsJson, Changes, Jobs, RecipePath, Restart, Timeout, logger, print_json, result_console
from gradmask.errors import GradmaskError
from gradmask.lab.progress import status

if TYPE_CHECKING:
    from gradmask.lab.recipe.spec import Recipe

NAME = "train"
EXAMPLES = """
gradmask train demo --dry-run
gradmask train package_docs
gradmask train recipe.yaml --set train.steps=2000 --set output=runs/longer
gradmask train recipe.yaml --restart
torchrun --nproc-per-node 8 -m gradmask train recipe.yaml --set train.engine=fsdp2
"""


def run(
    recipe: RecipePath,
    changes: Changes = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check everything and print the plan (sizes, steps, time, disk); do not train."),
    ] = False,
    restart: Restart = False,
    jobs: Jobs = 1,
    timeout: Timeout = None,
    ranks: Annotated[
        int | None,
        typer.Option(
            "--ranks", min=1, help="With --dry-run: memory, communication and time of one of so many processes."
        ),
    ] = None,
    memory: Annotated[float, typer.Option("--memory", help="With --ranks: GB of a device.")] = 80.0,
    tensor: Annotated[int, typer.Option("--tensor", min=1, help="With --ranks: degree of tensor parallelism.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Train the arms of a recipe: gradmask and the baselines it is compared with.

    The same command resumes a run that was stopped; finished arms are not trained again.
    """
    from gradmask.lab.recipe.loading import load_recipe

    status("checking the recipe")
    loaded = load_recipe(recipe, changes or (), **({} if ranks is None else {"trial": False}))
    if ranks is not None:
        if not dry_run:
            raise GradmaskError(
                "--ranks plans and does not train: add --dry-run; to train, start with torchrun (docs/distributed.md)"
            )
        _plan_ranks(loaded, ranks, memory, tensor, as_json)
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


def _plan_ranks(recipe: Recipe, ranks: int, memory: float, tensor: int, as_json: bool) -> NoReturn:
    from gradmask.lab.run.ranks_plan import plan_ranks

    plan = plan_ranks(recipe, ranks, memory * 1e9, tensor)
    if as_json:
        print_json(plan.to_dict())
    else:
        typer.echo("\n".join(plan.lines()))
    raise typer.Exit(0 if plan.fits else 1)
