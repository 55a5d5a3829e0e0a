"""A run's data is inspected once, and its faults are told before training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.lab.run.tiny_run import Doing, tiny_recipe

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run import inspecting
from gradmask.lab.run.driver import train
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.inspecting import inspected, use_of
from gradmask.lab.run.plan import make_plan
from gradmask.lab.run.training import Training


def one_arm(folder: Path, *changes: str) -> Recipe:
    return tiny_recipe(folder, "arms=[gradmask]", "train.steps=2", *changes)


def with_copies(folder: Path) -> None:
    """The first three documents once more."""
    corpus = folder / "corpus.jsonl"
    lines = corpus.read_text(encoding="utf-8").splitlines(keepends=True)
    corpus.write_text("".join(lines + lines[:3]), encoding="utf-8")


def test_what_the_arms_do_with_documents(tmp_path: Path) -> None:
    use = use_of(one_arm(tmp_path, "partition.distinctive_words=2.0"))
    assert (use.labels, use.words, use.sequence_length, use.batch_size) == (True, True, 16, 8)
    assert not use_of(one_arm(tmp_path, "arms=[no_filter, perfect_filter]")).labels
    assert use_of(one_arm(tmp_path, "arms=[no_filter, filter]")).labels


def test_data_is_inspected_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = one_arm(tmp_path)
    training = Training(recipe, RunFolder.of(recipe))
    training.folder.path.mkdir()
    first = inspected(training)
    assert first.total("documents") == 96
    monkeypatch.setattr(inspecting, "inspect", None)
    assert inspected(training).to_dict() == json.loads(json.dumps(first.to_dict()))
    with pytest.raises(TypeError):  # asked for something else, it would be inspected again
        inspected(Training(one_arm(tmp_path, "train.batch_size=4"), training.folder))


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    recipe = one_arm(tmp_path)
    training = Training(recipe, RunFolder.of(recipe))
    training.folder.path.mkdir()
    inspected(training)
    whole = training.folder.inspection.read_text(encoding="utf-8")
    training.folder.inspection.write_text(whole[:100], encoding="utf-8")
    inspected(training)
    assert training.folder.inspection.read_text(encoding="utf-8") == whole


def test_the_plan_has_it(tmp_path: Path) -> None:
    recipe = one_arm(tmp_path, "data.simulate.undiscovered=0.5")
    with_copies(tmp_path)
    plan = make_plan(recipe).to_dict()["inspection"]
    assert [finding["name"] for finding in plan["findings"]] == ["duplicates"]
    assert sum(part["tokens"] for part in plan["parts"] if part["split"] == "train") > 0
    json.dumps(plan)


def test_warnings_are_told_once_when_training_starts(tmp_path: Path) -> None:
    recipe = one_arm(tmp_path, "data.simulate.undiscovered=0.5")
    with_copies(tmp_path)
    first, second = Doing(), Doing()
    first.train(recipe)
    assert [line for line in first.messages if line.startswith("data: ")] == [
        "data: copies of earlier training documents: 3 (5.9% of them)",
        "data: gradmask train RECIPE --dry-run shows where, and what to do",
    ]
    second.train(recipe)
    assert [line for line in second.messages if line.startswith("data: ")] == []


def test_pointless_data_stops_the_plan_and_the_run(tmp_path: Path) -> None:
    recipe = one_arm(tmp_path, "data.simulate.undiscovered=1.0")
    with pytest.raises(GradmaskError, match=r"pointless:\n  error: no training document is labeled 'forget'"):
        make_plan(recipe)
    with pytest.raises(GradmaskError, match=r"pointless:\n  error: no training document is labeled 'forget'"):
        train(recipe)
    assert not (tmp_path / "run/arms").exists()
