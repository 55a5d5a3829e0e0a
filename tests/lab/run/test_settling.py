"""What is left open is chosen once per run: it stands in the run's folder, in its results, and resuming keeps it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.lab.run.tiny_run import tiny_data

from gradmask.errors import GradmaskError
from gradmask.lab.measures.results import read_results
from gradmask.lab.recipe.build import cut_model
from gradmask.lab.recipe.loading import load_recipe, make_recipe
from gradmask.lab.recipe.settings import rules
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.driver import perform
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.plan import make_plan
from gradmask.lab.run.settling import settle


def open_recipe(folder: Path, *changes: str) -> Recipe:
    data = tiny_data(folder)
    data["partition"] = {}
    for key in ("consolidation", "group_learning_rates"):
        del data["train"][key]
    small = ["arms=[no_filter]", "evaluate.measures=[]", "evaluate.calibration_steps=0", "evaluate.samples=0"]
    return make_recipe(data, changes=[*small, *changes], trial=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus, and a run on it that was measured."""
    folder = tmp_path_factory.mktemp("finished")
    perform([open_recipe(folder)], measured=True)
    return folder


@pytest.fixture
def begun(finished: Path, tmp_path: Path) -> tuple[Path, RunFolder]:
    """The folder with the corpus, and a copy of the run that may be changed."""
    shutil.copytree(finished / "run", tmp_path / "run")
    return finished, RunFolder(tmp_path / "run")


def of(folder: RunFolder) -> str:
    return f"output={folder.path}"


def test_the_plan_shows_every_choice_and_what_is_untested(tmp_path: Path) -> None:
    plan = make_plan(open_recipe(tmp_path, "arms=[gradmask]"))
    paths = [choice.path for choice in plan.settings]
    assert paths[:3] == [f"partition.groups.forget.{field}" for field in ("heads", "neurons", "embeddings")]
    assert "train.consolidation" in paths
    assert plan.consolidation == {"gradmask": 1}
    assert any("6 steps" in warning for warning in plan.warnings)
    assert json.dumps(plan.to_dict()["settings"])
    assert not (tmp_path / "run/settings.json").exists()


def test_a_recipe_in_which_nothing_is_open_stays_as_it_is(tmp_path: Path) -> None:
    given = make_recipe(tiny_data(tmp_path), trial=False)
    settled = settle(given, RunFolder(tmp_path / "run"))
    assert settled.recipe is given
    assert settled.choices == settled.warnings == ()


def test_a_run_records_its_choices(finished: Path) -> None:
    folder = RunFolder(finished / "run")
    recorded = folder.recipe()
    assert recorded.auto == ()
    assert recorded.train.consolidation is not None
    assert recorded.partition.rehearsal == 0.03
    kept = json.loads(folder.settings.read_text(encoding="utf-8"))
    assert kept["seen"]["steps"] == 6
    results = read_results(folder.results)
    assert results.recipe["partition"]["rehearsal"] == 0.03
    assert {setting.path: setting.value for setting in results.settings} == {
        choice["path"]: choice["value"] for choice in kept["choices"]
    }


def test_resuming_keeps_what_the_run_began_with(begun: tuple[Path, RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    path, folder = begun
    monkeypatch.setattr(rules, "REHEARSAL", 0.9)
    again = open_recipe(path, of(folder))
    settled = settle(again, folder)
    assert settled.recipe.partition.rehearsal == 0.03
    folder.check(settled.recipe)
    assert next(c.because for c in settled.choices if c.path == "partition.rehearsal").startswith("3 %")
    folder.clear()
    assert not folder.settings.exists()
    assert settle(again, folder).recipe.partition.rehearsal == 0.9


def test_a_choice_that_is_overridden_later_is_another_recipe(begun: tuple[Path, RunFolder]) -> None:
    path, folder = begun
    for change, message in (
        ("partition.rehearsal=0.3", "partition.rehearsal: was 0.03, now 0.3"),
        ("train.steps=30", "train.steps: was 6, now 30"),
    ):
        with pytest.raises(GradmaskError, match=message):
            folder.check(settle(open_recipe(path, change, of(folder)), folder).recipe)


def test_the_recorded_recipe_goes_on_as_it_is(finished: Path) -> None:
    folder = RunFolder(finished / "run")
    recorded = load_recipe(folder.recipe_file, trial=False)
    settled = settle(recorded, folder)
    assert settled.recipe == recorded
    assert [choice.path for choice in settled.choices]


def test_a_run_of_an_earlier_version_goes_on(begun: tuple[Path, RunFolder]) -> None:
    """It had no settings.json, and plain defaults where there are rules now."""
    path, folder = begun
    folder.settings.unlink()
    text = folder.recipe_file.read_text(encoding="utf-8")
    folder.recipe_file.write_text(text.replace("rehearsal: 0.03", "rehearsal: null"), encoding="utf-8")
    now = open_recipe(path, of(folder))
    assert "partition.rehearsal" in now.auto
    settled = settle(now, folder)
    assert settled.recipe.partition.rehearsal is None
    folder.check(settled.recipe)


def test_a_share_of_the_run_becomes_a_count_of_passes(finished: Path, tmp_path: Path) -> None:
    changes = ("train.gradient_accumulation=2", "train.steps=20")
    recipe = open_recipe(finished, "partition.self_labeling={after: 0.25}", f"output={tmp_path / 'run'}", *changes)
    own = settle(recipe, RunFolder(tmp_path / "run")).recipe.partition.self_labeling
    assert own is not None
    assert own.after == 10
    with pytest.raises(GradmaskError, match="a share of the run's training passes"):
        cut_model(None, recipe.partition)  # type: ignore[arg-type]


def test_choices_are_told_when_training_starts(begun: tuple[Path, RunFolder], caplog: pytest.LogCaptureFixture) -> None:
    path, folder = begun
    folder.clear()
    with caplog.at_level("INFO"):
        settle(open_recipe(path, of(folder)), folder).tell()
    assert "chosen: partition.groups.forget.heads: 2 (2 of 4 heads, because" in caplog.text
    assert "settings: 6 steps, and the rules were tested" in caplog.text
