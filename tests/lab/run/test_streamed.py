"""A recipe whose text is streamed: trained, labeled, resumed exactly, shared by several processes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.distributed.running import on_ranks
from tests.lab.run.tiny_run import WORDS, Doing, tiny_data

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.checkpoints import checkpoints, step_of
from gradmask.lab.run.driver import train
from gradmask.lab.run.failures import Interrupted
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.plan import make_plan
from gradmask.lab.run.stopping import Stopper

LABELS = {"en": ["retain", None], "es": ["forget", None]}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight files of JSON lines, half of their documents labeled."""
    folder, luck = tmp_path_factory.mktemp("text"), random.Random(1)
    for file in range(8):
        rows = [
            {"text": " ".join(luck.choices(WORDS[domain].split(), k=30)), "label": luck.choice(LABELS[domain])}
            for _ in range(25)
            for domain in WORDS
        ]
        (folder / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def recipe(text: Path, folder: Path, *changes: str) -> Recipe:
    data = tiny_data(folder)
    data["data"] = {
        "sources": [{"kind": "jsonl", "path": str(text), "label_field": "label"}],
        "labels": {"forget": ["forget"]},
        "tokenizer": {"vocab_size": 270},
        "sequence_length": 16,
        "test_share": 0.25,
        "stream": {"sample": 160, "shuffle": 16},
    }
    data |= {"arms": ["gradmask"], "output": str(folder / "run")}
    return make_recipe(data, changes=changes, trial=False)


def weights(own: Recipe) -> dict[str, torch.Tensor]:
    folder = RunFolder.of(own)
    return {
        f"{name} {key}": tensor
        for name in own.arms
        for key, tensor in load_file(folder.arm(name).model / "model.safetensors").items()
    }


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


EVERYTHING = (
    "partition.self_labeling={after: 2, every: 1}",
    "partition.rehearsal=0.3",
    "partition.rehearsal_target=removed_model",
    "train.consolidation={steps: 2, distillation: 0.5}",
    "train.gradient_accumulation=2",
    "train.steps=4",
    "train.eval_every=9",
    "train.checkpoint_every=2",
)


def stopped_at(step: int, own: Recipe) -> None:
    """Train up to a signal after so many steps."""
    doing = Doing(step, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with Stopper().installed() as stopper, doing.watching(), pytest.raises(Interrupted):
        train(own, stopper=stopper)


@pytest.mark.slow
def test_a_stopped_run_goes_on_bit_for_bit_with_everything_on(text: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole, halted = (recipe(text, tmp_path / name, *EVERYTHING) for name in "ab")
    train(whole)
    stopped_at(3, halted)
    arm = RunFolder.of(halted).arm("gradmask")
    assert [step_of(path) for path in checkpoints(arm.path)] == [2, 3]
    assert (arm.path / "checkpoint-3/stream/process-00000.safetensors").is_file()
    train(halted)
    assert same(weights(whole), weights(halted))


def test_the_plan_tells_of_the_sample(text: Path, tmp_path: Path) -> None:
    own = recipe(text, tmp_path, "partition.distinctive_words=1.5", "train.steps=2", "arms=[gradmask, filter]")
    plan = make_plan(own)
    assert sum(plan.tokens["gradmask"].values()) == pytest.approx(2 * 8 * 16, abs=2)
    assert plan.tokens["filter"] == {"unlabeled": 2 * 8 * 16}
    assert "Training text is streamed" in plan.notices[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("train={epochs: 1, batch_size: 8}", r"train\.epochs +the length of a stream"),
        ("train.consolidation={group_share: 0.2}", r"train\.consolidation\.group_share +a stream .* as it is mixed"),
        ("train.workers=2", r"train\.workers +a stream .* is read by the training process itself"),
        ("arms=[gradmask, no_filter, filter, filter_equal_text]", "needed: other arms"),
        ("evaluate.ladder=[0.1]", r"evaluate\.ladder +its models are trained on parts of all of the text"),
    ],
)
def test_what_needs_all_of_the_text_is_refused(change: str, said: str, text: Path, tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match=said):
        recipe(text, tmp_path, change)


def test_default_arms_of_a_comparison_are_possible(text: Path, tmp_path: Path) -> None:
    assert not {"filter_equal_text", "perfect_filter"} & {*recipe(text, tmp_path).compare.arms}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("engine", "ranks"), [("ddp", 2), ("fsdp2", 2), ("ddp", 4)])
def test_several_processes_make_the_model_that_one_makes(engine: str, ranks: int, text: Path, tmp_path: Path) -> None:
    changes = ("model.config.attention_dropout=0.0", *EVERYTHING[:3], "train.gradient_accumulation=2")
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    one = recipe(text, tmp_path / "one", *changes)
    many = recipe(text, tmp_path / "many", *changes, f"train.engine={engine}")
    train(one)
    on_ranks(ranks, train, many)
    arm = RunFolder.of(many).arm("gradmask")
    torch.testing.assert_close(weights(many), weights(one), rtol=0, atol=1e-6)
    for checkpoint in checkpoints(arm.path):
        assert len(list((checkpoint / "stream").iterdir())) == ranks
        if step_of(checkpoint) > 4:
            shutil.rmtree(checkpoint)
    shutil.rmtree(arm.model)
    train(many)  # alone now
    torch.testing.assert_close(weights(many), weights(one), rtol=0, atol=1e-6)
