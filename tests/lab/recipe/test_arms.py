"""What every arm is, and that each does what its name says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.lab.run.tiny_run import short_unlearning, tiny_recipe

import gradmask as gm
from gradmask.data import TRAINING_SETS
from gradmask.errors import GradmaskError
from gradmask.lab.recipe.arms import ARMS, is_routed, partition_of
from gradmask.lab.recipe.spec import CompareSpec
from gradmask.lab.run.driver import train
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.measuring.evaluating import evaluate_run
from gradmask.lab.run.training import Training, unlearn_arm


def test_recipes_know_every_arm() -> None:
    assert CompareSpec().arms == list(ARMS)
    assert {arm.data for arm in ARMS.values()} == set(TRAINING_SETS)


@pytest.mark.parametrize("name", [name for name in ARMS if is_routed(name)])
def test_a_rival_has_its_policy_and_nothing_of_ours(tmp_path: Path, name: str) -> None:
    recipe = tiny_recipe(tmp_path, "partition.self_labeling=true", "partition.rehearsal=0.1")
    spec = partition_of(recipe, name)
    ours = name in ("gradmask", "inexact")
    assert (spec.self_labeling is not None) is ours
    assert spec.rehearsal == (0.1 if ours else 0.0)
    assert bool(spec.groups["forget"].embeddings) is ours
    size = (spec.groups["forget"].heads, spec.groups["forget"].neurons)
    assert size == ((0, 0.1) if name == "gram" else (1, 8))
    assert spec.exact is (name != "inexact")


def test_an_adapter_loses_its_tables_too(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, "partition.groups.forget={adapter: {rank: 2, embeddings: true}}")
    adapter = partition_of(recipe, "gram").groups["forget"].adapter
    assert adapter is not None
    assert adapter.embeddings is False


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("arms")
    arms = "arms=[npo, gradmask, no_filter, filter_strict, sgtm_mask_embeddings, activation_masking]"
    recipe = tiny_recipe(folder, arms, "train.steps=3", "partition.policy=strict")
    with short_unlearning():
        train(recipe)
    return RunFolder.of(recipe)


def test_unlearning_waits_for_no_filter_and_starts_from_it(finished: RunFolder) -> None:
    before, after = (load_file(finished.arm(name).model / "model.safetensors") for name in ("no_filter", "npo"))
    assert set(before) == set(after)
    assert any(not torch.equal(before[k], after[k]) for k in before)
    tuning = json.loads((finished.arm("npo").path / "tuning.json").read_text())
    assert len(tuning["trials"]) > 3
    assert tuning["chosen"] in tuning["trials"]
    assert "retain loss is at most" in tuning["rule"]


def test_every_kind_of_arm_is_measured_as_what_it_is(finished: RunFolder) -> None:
    found = evaluate_run(finished, changes=["evaluate.measures=[]"]).arms
    assert {name: list(arm.models) for name, arm in found.items()} == {
        name: ["full", "removed"] if is_routed(name) else ["full"] for name in finished.recipe().arms
    }
    assert (found["npo"].title, found["npo"].policy) == ("NPO", None)
    assert found["activation_masking"].policy == "activation_masking"
    assert found["npo"].tokens == found["npo"].steps * 8 * 16
    joint = gm.load(finished.arm("sgtm_mask_embeddings").model)
    assert gm.groups(joint)["joint"]
    assert (
        gm.groups(joint)["joint"].keys() < gm.groups(gm.load(finished.arm("activation_masking").model))["joint"].keys()
    )


def test_a_strict_filter_trains_on_what_is_labeled_retain(finished: RunFolder) -> None:
    recipe = finished.recipe()
    prepared = Training(recipe, finished).prepared
    strict, weak = (prepared.training_set(ARMS[name].data) for name in ("filter_strict", "filter"))
    assert len(strict) == sum(label == 0 for label in prepared.train["data_labels"])
    assert 0 < len(strict) < len(weak)
    assert set(strict["data_labels"]) == {-1}


def test_unlearning_without_its_start_or_without_labels_is_told(finished: RunFolder, tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, "arms=[no_filter, rmu]", "train.steps=2")
    run = Training(recipe, RunFolder.of(recipe))
    run.folder.path.mkdir(parents=True)
    with pytest.raises(GradmaskError, match="rmu starts from the finished no_filter model"):
        unlearn_arm(run, run.prepared, "rmu")
    unlabeled = tiny_recipe(
        tmp_path / "run", "arms=[no_filter, rmu]", "train.steps=2", "data.simulate.retain_labeled=0"
    )
    with pytest.raises(GradmaskError, match="at least 5 sequences labeled retain, but there are 0"):
        train(unlabeled)
    assert not RunFolder.of(unlabeled).arm("rmu").finished
