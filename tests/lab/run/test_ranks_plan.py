"""The plan of one of many ranks: the figures of docs/scaling.md, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.loading import load_recipe
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.ranks_plan import plan_ranks

CLUSTER = Path(__file__).parents[3] / "recipes/cluster"


def recipe(name: str, *changes: str) -> Recipe:
    return load_recipe(CLUSTER / f"{name}.yaml", changes, trial=False)


@pytest.mark.parametrize(("name", "ranks", "memory", "sent"), [("8b", 8, 32.3, 54.4), ("70b", 64, 50.4, 551.5)])
def test_the_figures_of_the_page(name: str, ranks: int, memory: float, sent: float) -> None:
    plan = plan_ranks(recipe(name), ranks)
    assert plan.fits
    assert plan.needed / 1e9 == pytest.approx(memory, abs=0.05)
    assert sum(plan.sent.values()) / 1e9 == pytest.approx(sent, abs=0.05)


def test_what_cannot_fit_is_refused() -> None:
    plan = plan_ranks(recipe("70b"), 8)
    assert not plan.fits
    assert "take more ranks" in plan.problems[0]
    assert "train.engine=fsdp2" in plan_ranks(recipe("8b", "train.engine=ddp"), 8).problems[0]
    with pytest.raises(GradmaskError, match="take a multiple of 24"):
        plan_ranks(recipe("8b"), 3)


def test_tensor_parallelism_has_a_rule_and_is_refused() -> None:
    problems = plan_ranks(recipe("8b"), 8, tensor=8).problems
    assert "forget.heads is 4, which is no multiple of it" in problems[0]
    assert "does not run tensor parallelism" in problems[-1]
