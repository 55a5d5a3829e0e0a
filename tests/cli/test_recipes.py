"""Recipes inside the package: listed, printed, copied, and run by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gradmask.cli import main
from gradmask.lab.recipe.loading import load_recipe
from gradmask.lab.recipe.shipped import shipped_recipes

BY_HAND = Path(__file__).parents[2] / "benchmarks/recipes/novels_en_es.yaml"
"""With a warmup and a beginning of self-labeling in steps."""


def test_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in shipped_recipes())
    assert main(["recipes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == shipped_recipes()


@pytest.mark.parametrize("name", shipped_recipes())
def test_each_is_good_by_name_and_as_a_copy(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert shipped_recipes()[name].endswith(".")
    assert main(["recipes", name, "--copy", str(tmp_path / "mine.yaml")]) == 0
    assert load_recipe(tmp_path / "mine.yaml", trial=False) == recipe
    assert main(["recipes", name, "--copy", str(tmp_path / "mine.yaml")]) == 2
    assert "exists: choose another name" in capsys.readouterr().err
    assert main(["recipes", name]) == 0
    assert capsys.readouterr().out.rstrip() == (tmp_path / "mine.yaml").read_text().rstrip()


def test_names_that_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "dmo"]) == 2
    assert "there is no recipe 'dmo'. Did you mean 'demo'?" in capsys.readouterr().err
    assert main(["train", "dmo"]) == 2
    assert "Did you mean 'demo'?" in capsys.readouterr().err
    assert main(["recipes", "--copy", str(tmp_path / "x.yaml")]) == 2
    assert "--copy needs a name" in capsys.readouterr().err


def test_a_file_comes_before_a_shipped_recipe_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").write_text("name: mine\n")
    with pytest.raises(ValueError, match=r"demo has \d+ problems"):
        load_recipe("demo")


def test_a_misspelled_path_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("runs/demo", "runs/topics"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "recipe.yaml").touch()
    (tmp_path / "mine.yaml").touch()
    monkeypatch.chdir(tmp_path)
    meant = {
        "train mien.yaml": "mine.yaml",
        "train runs/topisc/recipe.yaml": "runs/topics/recipe.yaml",
        "evaluate runs/dmeo": "runs/demo",
        "report topics": "runs/topics",
        "purge runs/tpics": "runs/topics",
        "check runs/dem": "runs/demo",
        "runs run": "runs",
    }
    for line, path in meant.items():
        assert main(line.split()) == 2
        assert f"Did you mean '{path}'?" in capsys.readouterr().err
    assert main(["train", "runs/demo"]) == 2
    assert "runs/demo is the folder of a run: give its recipe, runs/demo/recipe.yaml" in capsys.readouterr().err


def test_a_shorter_run_has_a_shorter_warmup() -> None:
    recipe = load_recipe(BY_HAND, ["train.steps=8"], trial=False)
    assert (recipe.train.steps, recipe.train.warmup) == (8, 1)
    assert recipe.partition.self_labeling is not None
    assert recipe.partition.self_labeling.after == 1
    same = load_recipe(BY_HAND, ["train.steps=50"], trial=False)
    assert (same.train.warmup, same.partition.self_labeling and same.partition.self_labeling.after) == (20, 40)
    with pytest.raises(ValueError, match=r"train\.warmup  given 9 steps, needed: at most train\.steps \(8\)"):
        load_recipe(BY_HAND, ["train.steps=8", "train.warmup=9"], trial=False)


def test_one_of_several_keys_takes_the_place_of_the_other() -> None:
    train = load_recipe("demo", ["train.epochs=2"], trial=False).train
    assert (train.steps, train.epochs) == (None, 2.0)
    model = load_recipe("demo", ["model.pretrained=gpt2"], trial=False).model
    assert (model.config, model.pretrained) == (None, "gpt2")
    with pytest.raises(ValueError, match="given steps and epochs"):
        load_recipe("demo", ["train.epochs=2", "train.steps=8"], trial=False)
