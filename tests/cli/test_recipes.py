"""Recipes inside the package: listed, printed, copied, and run by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gradmask.cli import main
from gradmask.lab.recipe.loading import load_recipe
from gradmask.lab.recipe.shipped import shipped_recipes


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
