"""A consolidation that begins as weak as fits, and distils: what it finds, what it costs, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.lab.run.test_resume import weights
from tests.lab.run.tiny_run import tiny_recipe

import gradmask as gm
from gradmask.lab.run.consolidating import strengths_of, taught_tokens_of
from gradmask.lab.run.driver import train
from gradmask.lab.run.examples import consolidation_examples
from gradmask.lab.run.folder import ArmFolder, RunFolder
from gradmask.lab.run.stage import Training

PHASE = "train.consolidation={steps: 4, learning_rate: 2.0, fit_strength: %s, distillation: %s}"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for fit, share in (("true", 0.7), ("false", 0)):
        found[fit] = tmp_path_factory.mktemp(fit)
        train(tiny_recipe(found[fit], PHASE % (fit, share), "arms=[gradmask]"))
    return found


def test_strengths_are_found_and_their_compute_is_counted(folders: dict[str, Path]) -> None:
    arm = folders["true"] / "run/arms/gradmask"
    kept = json.loads((arm / "consolidation/kept.json").read_text())
    (strength,) = kept["strengths"].values()
    assert 0.25 <= strength <= 1.0
    passes = 3 * kept["tokens"] / (8 * 16)  # one batch of 8 sequences of 16 tokens
    assert 2 <= round(passes) <= 5
    found = strengths_of(ArmFolder(arm))
    assert (found.of, found.tokens) == (kept["strengths"], kept["tokens"])


def test_without_it_groups_begin_as_strong_as_they_are(folders: dict[str, Path]) -> None:
    found = strengths_of(ArmFolder(folders["false"] / "run/arms/gradmask"))
    assert (found.of, found.tokens) == ({}, 0)


def test_the_removed_models_passes_are_counted(folders: dict[str, Path]) -> None:
    recipe = tiny_recipe(folders["true"], PHASE % ("true", 0.7), "arms=[gradmask]")
    folder = RunFolder(folders["true"] / "run")
    labels = consolidation_examples(recipe, Training(recipe, folder).prepared, "gradmask", 4)["data_labels"][:]
    assert 0 < sum(labels == 0) < len(labels) == 4 * 8
    assert taught_tokens_of(folder.arm("gradmask")) == round(16 / 3 * sum(labels == 0))
    assert taught_tokens_of(RunFolder(folders["false"] / "run").arm("gradmask")) == 0


def test_the_removed_model_is_the_same_with_and_without(folders: dict[str, Path]) -> None:
    one, other = (gm.load(folders[fit] / "run/arms/gradmask/model") for fit in ("true", "false"))
    ids = torch.arange(16)[None]
    with torch.no_grad(), gm.without(one), gm.without(other):
        assert torch.equal(one(ids).logits, other(ids).logits)
    if strengths_of(ArmFolder(folders["true"] / "run/arms/gradmask")).of != {"forget": 1.0}:
        assert weights(folders["true"], "gradmask") != weights(folders["false"], "gradmask")
