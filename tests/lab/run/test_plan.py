"""The plan: everything checked, nothing trained."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from tests.lab.run.tiny_run import tiny_recipe

from gradmask.data import prepare
from gradmask.errors import GradmaskError
from gradmask.lab.run import plan as planning
from gradmask.lab.run.driver import train
from gradmask.lab.run.examples import total_steps
from gradmask.lab.run.log import RunLog
from gradmask.lab.run.plan import make_plan

Usage = namedtuple("Usage", "total used free")


def test_the_plan_says_what_a_run_does(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path)
    plan = make_plan(recipe)
    assert plan.steps == 6
    assert plan.tokens_per_step == 8 * 16
    assert plan.parameters["joint"] == 0
    assert min(plan.parameters["forget"], plan.parameters["retain"]) > 0
    assert plan.fits
    assert min(plan.seconds.values()) > 0
    assert not (tmp_path / "run/arms").exists()
    assert not (tmp_path / "run/recipe.yaml").exists()


def test_every_arm_sees_the_same_number_of_tokens(tmp_path: Path) -> None:
    plan = make_plan(tiny_recipe(tmp_path))
    assert {sum(counts.values()) for counts in plan.tokens.values()} == {6 * 8 * 16}
    assert set(plan.tokens) == {"gradmask", "no_filter", "filter", "perfect_filter"}
    assert set(plan.tokens["gradmask"]) == {"unlabeled", "retain", "forget"}
    assert set(plan.tokens["filter"]) == {"unlabeled"}


def test_labels_per_token_are_counted_as_tokens(tmp_path: Path) -> None:
    plan = make_plan(tiny_recipe(tmp_path, "partition.distinctive_words=1.5"))
    assert {sum(counts.values()) for counts in plan.tokens.values()} == {6 * 8 * 16}
    assert set(plan.tokens["gradmask"]) == {"unlabeled", "retain", "forget"}
    whole = make_plan(tiny_recipe(tmp_path))
    assert 0 < plan.tokens["gradmask"]["forget"] < whole.tokens["gradmask"]["forget"]


def test_trial_steps_are_of_the_usual_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of those that labeled examples alone make: labeling the others costs time."""
    seen: list[np.ndarray] = []
    tried = planning._try

    def watched(model, recipe, prepared, dataset, steps):  # type: ignore[no-untyped-def]
        seen.append(np.asarray(dataset["data_labels"][:]))
        return tried(model, recipe, prepared, dataset, steps)

    monkeypatch.setattr(planning, "_try", watched)
    make_plan(tiny_recipe(tmp_path, "arms=[gradmask]", "train.steps=40", "partition.self_labeling={after: 20}"))
    assert len(seen[0]) == 20 * 8
    assert (seen[0][: planning.TRIAL_STEPS * 8] < 0).any()


def test_what_is_done_already_is_not_planned_again(tmp_path: Path) -> None:
    train(tiny_recipe(tmp_path, "arms=[no_filter]"))
    plan = make_plan(tiny_recipe(tmp_path, "arms=[no_filter, filter]"))
    assert plan.done == {"no_filter": 6, "filter": 0}
    assert plan.seconds["no_filter"] == 0 < plan.seconds["filter"]


def test_a_full_disk_is_found_by_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning.shutil, "disk_usage", lambda path: Usage(1, 1, 1000))
    plan = make_plan(tiny_recipe(tmp_path, "arms=[no_filter]"))
    assert not plan.fits
    assert plan.to_dict()["fits"] is False


def test_bad_data_is_found_by_the_plan(tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match=r"'fr', which no document has"):
        make_plan(tiny_recipe(tmp_path, "data.labels.forget={forget: [fr]}"))
    recipe = tiny_recipe(tmp_path)
    (tmp_path / "corpus.jsonl").unlink()
    with pytest.raises(GradmaskError, match="there is no file"):
        make_plan(recipe)


@pytest.mark.parametrize(
    ("budget", "steps"), [("steps=5", 5), ("tokens=1000", 8), ("epochs=2.0", None)], ids=["steps", "tokens", "epochs"]
)
def test_budgets_become_steps(tmp_path: Path, budget: str, steps: int | None) -> None:
    recipe = tiny_recipe(tmp_path, "train.steps=null", f"train.{budget}")
    prepared = prepare(recipe.data, tmp_path / "data")
    expected = steps or -(-2 * len(prepared.train) // recipe.train.batch_size)
    assert total_steps(recipe, prepared) == expected


@pytest.mark.parametrize("replaced", [0, 2])
def test_fair_references_have_budgets_of_their_own(tmp_path: Path, replaced: int) -> None:
    recipe = tiny_recipe(
        tmp_path,
        "arms=[gradmask, no_filter, filter_equal_text, no_filter_equal_compute]",
        "train.steps=20",
        f"train.consolidation={{steps: 3, replaces: {replaced / 20}}}",
    )
    prepared = prepare(recipe.data, tmp_path / "data")
    kept = len(prepared.training_set("not_labeled_forget")) / len(prepared.train)
    plan = make_plan(recipe)
    assert plan.steps == 20
    own = {"gradmask": 20 - replaced} if replaced else {}
    assert plan.other_steps == own | {"filter_equal_text": -(-20 * kept // 1), "no_filter_equal_compute": 23}
    assert plan.consolidation == {"gradmask": 3 + replaced}
    assert plan.other_steps["filter_equal_text"] < 20
    assert sum(plan.tokens["filter_equal_text"].values()) == plan.other_steps["filter_equal_text"] * 8 * 16
    assert sum(plan.tokens["no_filter_equal_compute"].values()) == sum(plan.tokens["gradmask"].values())


def test_an_arm_of_its_own_budget_is_trained_for_it(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, "arms=[filter_equal_text]", "train.steps=8")
    arm = train(recipe).arm("filter_equal_text")
    steps = make_plan(recipe).other_steps["filter_equal_text"]
    assert max(line["step"] for line in RunLog(arm.log).lines()) == steps < 8
