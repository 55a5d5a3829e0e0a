"""A part of the campaign, and that it can lose."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from tests.faults import trials
from tests.faults.campaign import table
from tests.faults.children import FULL, Ended, at_write, failing_disk, run
from tests.faults.trials import FAULTS, NEEDS, Reference, Scene, Trial, fault, kill, kill_command

Elsewhere = Callable[..., Any]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    """Calls a function in a fresh process: trials fork, and a fork of one whose libraries have threads can hang."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield lambda function, *args, **named: pool.submit(function, *args, **named).result(timeout=300)


@pytest.fixture(scope="module")
def reference(elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return elsewhere(Reference.made, tmp_path_factory.mktemp("faults") / "reference")


@pytest.mark.parametrize("number", range(1))
def test_a_killed_run_ends_as_if_it_had_not_been(
    elsewhere: Elsewhere, reference: Reference, number: int, tmp_path: Path
) -> None:
    found = elsewhere(kill, reference, tmp_path / "scene", random.Random(number))
    assert found.equal, found


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, 15))
def test_more_killed_runs(elsewhere: Elsewhere, reference: Reference, number: int, tmp_path: Path) -> None:
    found = elsewhere(kill, reference, tmp_path / "scene", random.Random(number))
    assert found.equal, found


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2))
def test_the_command_as_users_start_it(elsewhere: Elsewhere, reference: Reference, number: int, tmp_path: Path) -> None:
    found = elsewhere(kill_command, reference, tmp_path / "scene", random.Random(number))
    assert found.equal, found


@pytest.mark.parametrize("kind", ["disk full", "torn checkpoint"])
def test_a_fault_is_told_and_survived(elsewhere: Elsewhere, reference: Reference, kind: str, tmp_path: Path) -> None:
    found = elsewhere(fault, kind, reference, tmp_path / "scene", random.Random(0))
    assert found.equal, found


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAULTS)
def test_every_kind_of_fault(elsewhere: Elsewhere, kind: str, tmp_path: Path) -> None:
    made = elsewhere(Reference.made, tmp_path / "reference", **NEEDS.get(kind, {}))
    found = elsewhere(fault, kind, made, tmp_path / "scene", random.Random(1))
    assert found.equal, found


@pytest.mark.slow
def test_a_lost_run_is_seen(elsewhere: Elsewhere, reference: Reference, tmp_path: Path) -> None:
    """A run that resumes with other weights is not equal; one that does not resume is lost."""
    other, finished, resumed = elsewhere(finished_then_broken, tmp_path / "other")
    assert finished == ""
    assert other != reference.scene.state()
    assert "does not resume" in resumed
    found = elsewhere(silent_fault, reference, tmp_path / "silent")
    assert found.lost == "the program did not notice"
    assert table([found, Trial("x", "", True, True)]).splitlines()[-1] == "| all | 2 | 1 | 1 | 1 | 1 |"


def finished_then_broken(folder: Path) -> tuple[dict[str, str], str, str]:
    """The state of another run, what its end said, and what it said with a broken recipe."""
    other = Scene(folder, {"train.seed": 7})
    finished, state = other.finish(), other.state()
    other.recipe.write_text("nonsense")
    return state, finished, other.finish()


def silent_fault(reference: Reference, folder: Path) -> Trial:
    """A fault that nobody notices."""
    trials.FAULTS["silent"] = lambda scene, rng, reference: scene.do("train")
    return fault("silent", reference, folder, random.Random(0))


def test_a_childs_disk_fails_where_it_is_told_to(elsewhere: Elsewhere, tmp_path: Path) -> None:
    (tmp_path / "scene").mkdir()
    recipe = tmp_path / "scene" / "recipe.yaml"
    recipe.write_text("name: x")
    ended = elsewhere(full_disk, recipe, tmp_path)
    assert ended.code == 2
    assert "problem" in ended.said


def full_disk(recipe: Path, folder: Path) -> Ended:
    return run(["train", str(recipe)], folder / "log", before=at_write(folder, 1, failing_disk(FULL)))
