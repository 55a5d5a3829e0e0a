from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.lab.run.tiny_run import tiny_data

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.settings.written import without_auto
from gradmask.lab.recipe.spec import Recipe

EVERYTHING = (
    "partition.rehearsal",
    "partition.rehearsal_target",
    "partition.distinctive_words",
    "partition.self_labeling",
    "partition.groups.forget",
    "train.consolidation",
    "train.group_learning_rates",
)


def recipe(folder: Path, partition: Any = None, *changes: str, **train: Any) -> Recipe:
    data = tiny_data(folder)
    data["train"] = {"steps": 20, "batch_size": 8, **train}
    data.pop("partition")
    if partition is not None:
        data["partition"] = partition
    return make_recipe(data, changes=changes)


def test_what_is_left_out_is_left_to_the_rules(tmp_path: Path) -> None:
    assert recipe(tmp_path).auto == EVERYTHING
    assert recipe(tmp_path, {}).auto == EVERYTHING
    assert recipe(tmp_path, "auto").auto == EVERYTHING


def test_what_is_written_auto_is_the_same_as_what_is_left_out(tmp_path: Path) -> None:
    keys = ("rehearsal", "rehearsal_target", "distinctive_words", "self_labeling")
    written = recipe(
        tmp_path,
        {"groups": {"forget": "auto"}, **dict.fromkeys(keys, "auto")},
        consolidation="auto",
        group_learning_rates="auto",
    )
    assert written.auto == EVERYTHING
    assert written == recipe(tmp_path, {"groups": "auto"})


def test_what_is_written_is_not_chosen(tmp_path: Path) -> None:
    assert make_recipe(tiny_data(tmp_path)).auto == ()
    off = recipe(
        tmp_path,
        {
            "groups": {"forget": {"heads": 1}},
            "rehearsal": None,
            "rehearsal_target": "next_token",
            "distinctive_words": None,
            "self_labeling": False,
        },
        consolidation=False,
        group_learning_rates={},
    )
    assert off.auto == ()
    assert (off.partition.self_labeling, off.train.consolidation, off.partition.rehearsal) == (None, None, None)


def test_a_part_of_a_group_or_of_settings_may_be_left_open(tmp_path: Path) -> None:
    partly = recipe(
        tmp_path,
        {"groups": {"forget": {"heads": "auto", "neurons": 8}}, "self_labeling": {"threshold": 0.6}, "rehearsal": 0.2},
        consolidation={"steps": 7},
    )
    opened = {
        "partition.groups.forget.heads",
        "partition.self_labeling.after",
        "partition.rehearsal_target",
        "partition.distinctive_words",
        "train.consolidation.replaces",
        "train.consolidation.learning_rate",
        "train.consolidation.fit_strength",
        "train.consolidation.distillation",
        "train.consolidation.group_share",
        "train.group_learning_rates",
    }
    assert set(partly.auto) == opened
    assert partly.partition.groups["forget"].neurons == 8
    assert partly.train.consolidation is not None
    assert partly.train.consolidation.steps == 7
    assert "train.consolidation.steps" in recipe(tmp_path, consolidation=True).auto


def test_changes_from_the_command_line_count(tmp_path: Path) -> None:
    assert "partition.rehearsal" not in recipe(tmp_path, None, "partition.rehearsal=0.2").auto
    assert recipe(tmp_path, {"rehearsal": 0.2}, "partition.rehearsal=auto").auto == EVERYTHING


def test_every_group_that_the_labels_name_is_chosen(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    data["data"]["labels"]["forget"] = {"one": ["es"], "two": ["en"]}
    data.pop("partition")
    auto = make_recipe(data, trial=False).auto
    assert {path for path in auto if "groups" in path} == {"partition.groups.one", "partition.groups.two"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("partition.groups={forget: automatic}", "partition.groups.forget"),
        ("partition.policy=auto", "unknown policy 'auto'"),
        ("partition.groups={forget: {layers: auto}}", "partition.groups.forget.layers"),
        ("partition.groups={other: auto}", "data.labels does not name this group"),
        ("partition=3", "partition"),
        ("train.steps=auto", "train.steps"),
    ],
)
def test_other_keys_are_not_chosen(tmp_path: Path, change: str, text: str) -> None:
    with pytest.raises(GradmaskError) as caught:
        make_recipe(tiny_data(tmp_path), changes=[change])
    assert text in str(caught.value)


def test_the_given_data_is_left_as_it_is(tmp_path: Path) -> None:
    given = {"partition": {"groups": {"forget": {"heads": "auto"}}}, "train": {"consolidation": True}}
    before = repr(given)
    without_auto(given, ["forget"])
    assert repr(given) == before


def test_the_recipe_of_a_run_leaves_nothing_open(tmp_path: Path) -> None:
    data = tiny_data(tmp_path)
    del data["train"]["consolidation"]
    assert make_recipe(data, settled=True).auto == ()
