"""A new arm is written in one place: a row of the table for a policy, a file for an unlearning method."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.generated import DOCS
from tests.lab.recipe.test_docs import arms_table, methods_table
from tests.lab.run.tiny_run import tiny_recipe

from gradmask.lab.compare.runs import runs_of
from gradmask.lab.recipe import arms
from gradmask.lab.recipe.arms import ARMS, TRAINED, Arm, partition_of
from gradmask.lab.recipe.problems import RecipeError
from gradmask.lab.report.style import style_of
from gradmask.lab.run.plan import make_plan
from gradmask.lab.unlearning import methods
from gradmask.lab.unlearning.registry import grid


@pytest.fixture
def method_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that docs/baselines.md shows."""
    code = re.findall(r"```python\n(.*?)```", (DOCS / "baselines.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    path = tmp_path / "methods" / "retain_only.py"
    path.parent.mkdir()
    path.write_text(code)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(path.parent)])
    yield path
    del sys.modules[f"{methods.__name__}.retain_only"]


@pytest.mark.usefixtures("method_file")
def test_a_method_is_added_by_one_file(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, "arms=[no_filter, retain_only]")
    assert list(ARMS)[-1] == "retain_only", "after those with a place of their own"
    assert runs_of(recipe)[0].arms == tuple(ARMS)
    plan = make_plan(recipe)
    assert plan.seconds["retain_only"] > 0
    assert [setting.steps for setting in grid("retain_only")] == [64, 64, 64]
    assert style_of("retain_only").name == "retain only"
    assert "| `retain_only` | retain text only |" in arms_table()
    assert "| `retain_only` | ℓ(*r*) | everything | none |" in methods_table()
    with pytest.raises(RecipeError, match=r"'retain_only'. Did you mean 'retain_only'\?"):
        tiny_recipe(tmp_path, "arms=[retain_onyl]")
    with pytest.raises(RecipeError, match=r"\['retain_only'\] without no_filter, whose model they start from"):
        tiny_recipe(tmp_path, "arms=[gradmask, retain_only]")


def test_a_policy_is_added_by_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Arm("routed_heads", "routing, joint heads", "labeled", "gram", ("attention",), color="olive", marker="P")
    monkeypatch.setattr(arms, "TRAINED", (*TRAINED, row))
    recipe = tiny_recipe(tmp_path, "arms=[no_filter, routed_heads]")
    assert list(ARMS).index("routed_heads") == len(TRAINED), "before the unlearning methods"
    assert runs_of(recipe)[0].arms == tuple(ARMS)
    spec = partition_of(recipe, "routed_heads")
    assert (spec.policy, spec.joint, spec.self_labeling) == ("gram", ["attention"], None)
    assert make_plan(recipe).tokens["routed_heads"].keys() >= {"forget", "retain"}
    assert (style_of("routed_heads/removed").light, style_of("routed_heads/removed").marker) == ("#6b6b1f", "P")
    assert (
        "| `routed_heads` | routing, joint heads | all text, with data labels | policy `gram`, joint " in arms_table()
    )
    with pytest.raises(RecipeError, match=r"Did you mean 'routed_heads'\?"):
        tiny_recipe(tmp_path, "arms=[routed_haeds]")


def test_names_are_unique() -> None:
    assert len(set(ARMS)) == len(ARMS)
