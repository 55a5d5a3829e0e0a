"""A part of the campaign, and that it can lose."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.faults import trials
from tests.faults.campaign import table
from tests.faults.children import FULL, at_write, failing_disk, run
from tests.faults.trials import FAULTS, NEEDS, Reference, Scene, Trial, fault, kill, kill_command


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return Reference.made(tmp_path_factory.mktemp("faults") / "reference")


@pytest.mark.parametrize("number", range(1))
def test_a_killed_run_ends_as_if_it_had_not_been(reference: Reference, number: int, tmp_path: Path) -> None:
    found = kill(reference, tmp_path / "scene", random.Random(number))
    assert found.equal, found


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, 15))
def test_more_killed_runs(reference: Reference, number: int, tmp_path: Path) -> None:
    found = kill(reference, tmp_path / "scene", random.Random(number))
    assert found.equal, found


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2))
def test_the_command_as_users_start_it(reference: Reference, number: int, tmp_path: Path) -> None:
    found = kill_command(reference, tmp_path / "scene", random.Random(number))
    assert found.equal, found


@pytest.mark.parametrize("kind", ["disk full", "torn checkpoint"])
def test_a_fault_is_told_and_survived(reference: Reference, kind: str, tmp_path: Path) -> None:
    found = fault(kind, reference, tmp_path / "scene", random.Random(0))
    assert found.equal, found


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAULTS)
def test_every_kind_of_fault(kind: str, tmp_path: Path) -> None:
    made = Reference.made(tmp_path / "reference", **NEEDS.get(kind, {}))
    found = fault(kind, made, tmp_path / "scene", random.Random(1))
    assert found.equal, found


@pytest.mark.slow
def test_a_lost_run_is_seen(reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that resumes with other weights is not equal; one that does not resume is lost."""
    other = Scene(tmp_path / "other", {"train.seed": 7})
    assert other.finish() == ""
    assert other.state() != reference.scene.state()
    other.recipe.write_text("nonsense")
    assert "does not resume" in other.finish()
    monkeypatch.setitem(trials.FAULTS, "silent", lambda scene, luck, reference: scene.do("train"))
    found = fault("silent", reference, tmp_path / "silent", random.Random(0))
    assert found.lost == "the program did not notice"
    assert table([found, Trial("x", "", True, True)]).splitlines()[-1] == "| all | 2 | 1 | 1 | 1 | 1 |"


def test_a_childs_disk_fails_where_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "scene").mkdir()
    recipe = tmp_path / "scene" / "recipe.yaml"
    recipe.write_text("name: x")
    ended = run(["train", str(recipe)], tmp_path / "log", before=at_write(tmp_path, 1, failing_disk(FULL)))
    assert ended.code == 2
    assert "problem" in ended.said
