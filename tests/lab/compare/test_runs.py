"""Which runs a comparison consists of."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.lab.run.tiny_run import tiny_recipe

from gradmask.errors import GradmaskError
from gradmask.lab.compare.runs import folder_of, recipe_of, runs_of, settings_of
from gradmask.lab.recipe.arms import ARMS
from gradmask.lab.recipe.problems import RecipeError

NOISE = (
    "compare.seeds=[0, 2]",
    "compare.noise.undiscovered=[0.0, 0.2, 0.4]",
    "compare.noise.true_positives=[0.8, 0.9]",
    "compare.noise.false_positives=[0.0, 0.6]",
)


def test_every_setting_and_seed_is_a_run_of_its_own(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, *NOISE)
    assert [s.name for s in settings_of(recipe)] == [
        "main",
        "undiscovered-0",
        "undiscovered-40",
        "tpr-80-fpr-60",
        "tpr-90-fpr-0",
        "tpr-90-fpr-60",
    ], "20 % undiscovered without false positives is the recipe itself"
    runs = runs_of(recipe)
    assert [run.name for run in runs][:3] == ["main/seed-0", "main/seed-2", "undiscovered-0/seed-0"]
    assert set(runs[0].arms) == set(ARMS)
    assert runs[-1].arms == ("gradmask", "filter")


def test_a_run_differs_in_labels_seed_and_folder_alone(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, *NOISE)
    by_name = {run.name: recipe_of(recipe, run) for run in runs_of(recipe)}
    own = by_name["tpr-90-fpr-60/seed-0"]
    assert own.data.simulate.undiscovered == pytest.approx(0.1)
    assert own.data.simulate.false_positives == 0.6
    assert own.data.simulate.retain_labeled == 0.4, "what is labeled forget by mistake cannot be labeled retain as well"
    assert own.evaluate.measures == [], "comparing measures need the baselines of the same run"
    main = by_name["main/seed-2"]
    assert (main.train.seed, main.data.simulate.seed) == (2, 2)
    assert main.evaluate.measures == recipe.compare.measures
    assert main.data.model_copy(update={"simulate": recipe.data.simulate}) == recipe.data
    assert main.train.model_copy(update={"seed": 0}) == recipe.train
    assert main.model == recipe.model
    assert Path(main.output) == folder_of(recipe) / "main/seed-2"
    assert folder_of(recipe) == tmp_path / "run-compared"


def test_runs_can_be_picked(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, *NOISE)
    assert [run.name for run in runs_of(recipe, ["main/*"])] == ["main/seed-0", "main/seed-2"]
    assert [run.name for run in runs_of(recipe, ["*/seed-2", "undiscovered-40/*"])] == [
        "main/seed-2",
        "undiscovered-40/seed-0",
    ]
    with pytest.raises(GradmaskError, match=r"no run of the comparison matches 'main/3'. Runs: main/seed-0"):
        runs_of(recipe, ["main/3"])


def test_topics_are_a_setting(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, "data.sources.0.topic_field=domain", "compare.noise.topics=true")
    run = runs_of(recipe)[-1]
    assert run.name == "topics/seed-0"
    assert recipe_of(recipe, run).data.simulate.missed == "topics"


@pytest.mark.parametrize(
    ("change", "path", "text"),
    [
        (
            "compare.arms=[gradmask, filter, rmu]",
            "compare.arms",
            "['rmu'] without no_filter, whose model they start from",
        ),
        (
            "compare.arms=[gradmask, no_filter]",
            "compare.arms",
            "the comparison has no scale without perfect_filter: add it",
        ),
        ("compare.arms=[no_filter, no_filter, perfect_filter]", "compare.arms", "every arm once"),
        ("compare.seeds=[1, 1]", "compare.seeds", "every seed once"),
        ("compare.noise.true_positives=[0.5]", "compare.noise.false_positives", "the heat map has two axes"),
        ("compare.noise.arms=[npo]", "compare.noise.arms", "arms that are trained from the start"),
        ("compare.arms=[gradmak]", "compare.arms.0", "Did you mean 'gradmask'?"),
        ("arms=[gradmask, npo]", "arms", "['npo'] without no_filter"),
    ],
)
def test_what_cannot_be_compared_is_told(tmp_path: Path, change: str, path: str, text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        tiny_recipe(tmp_path, change)
    assert any(p.path == path and text in p.text for p in caught.value.problems), caught.value
