"""What a comparison would do, and about how long it takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gradmask.lab.compare.runs import recipe_of, runs_of
from gradmask.lab.recipe.arms import NO_FILTER
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.plan import make_plan as plan_of_run


def make_plan(recipe: Recipe, only: Sequence[str] = ()) -> tuple[list[dict[str, Any]], float]:
    """A row per run (its arms, those done, seconds left), and the seconds of all; a few steps of each kind of arm are tried.

    Raises:
        GradmaskError: see `gradmask.lab.run.plan.make_plan`.
    """
    rows: list[dict[str, Any]] = []
    for run in runs_of(recipe, only):
        folder = RunFolder.of(recipe_of(recipe, run))
        done = [arm for arm in run.arms if folder.arm(arm).finished]
        rows.append({"run": run.name, "arms": list(run.arms), "done": done})
    left = list(dict.fromkeys(arm for row in rows for arm in row["arms"] if arm not in row["done"]))
    seconds = _seconds(recipe, left) if left else {}
    for row in rows:
        row["seconds"] = sum(seconds[arm] for arm in row["arms"] if arm not in row["done"])
    return rows, sum(row["seconds"] for row in rows)


def _seconds(recipe: Recipe, arms: list[str]) -> dict[str, float]:
    """Seconds per arm; no filter is tried too, since unlearning starts from it."""
    tried = list(dict.fromkeys([*arms, NO_FILTER]))
    with TemporaryDirectory(prefix="gradmask-plan-") as folder:
        trial = recipe.model_copy(update={"arms": tried, "output": str(Path(folder) / "run")})
        return plan_of_run(trial).seconds
