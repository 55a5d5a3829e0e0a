"""All runs of a comparison have the settings that were chosen once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.lab.run.test_settling import open_recipe
from tests.lab.run.tiny_run import tiny_data

from gradmask.lab.compare.runs import recipe_of, runs_of
from gradmask.lab.compare.settling import settled_comparison
from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.settings import rules


def test_a_comparison_chooses_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = settled_comparison(open_recipe(tmp_path))
    assert recipe.auto == ()
    runs = [recipe_of(recipe, run) for run in runs_of(recipe)]
    assert len(runs) > 1
    assert len({repr(run.partition) for run in runs}) == 1
    assert (tmp_path / "run-compared/settings.json").is_file()
    monkeypatch.setattr(rules, "REHEARSAL", 0.3)
    assert settled_comparison(open_recipe(tmp_path)).partition.rehearsal == 0.3, "nothing has begun"
    (tmp_path / "run-compared/main/seed-0/arms/no_filter/checkpoint-1").mkdir(parents=True)
    monkeypatch.setattr(rules, "REHEARSAL", 0.7)
    assert settled_comparison(open_recipe(tmp_path)).partition.rehearsal == 0.3


def test_a_recipe_without_open_settings_is_left_as_it_is(tmp_path: Path) -> None:
    recipe = make_recipe(tiny_data(tmp_path), trial=False)
    assert settled_comparison(recipe) is recipe
