"""A run that was stopped resumes and ends with the same bits as one that was not."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.lab.run.tiny_run import Doing, tiny_recipe

from gradmask.errors import GradmaskError
from gradmask.lab.run.driver import train
from gradmask.lab.run.failures import Interrupted
from gradmask.lab.run.log import RunLog
from gradmask.lab.run.stopping import Stopper

CASES = {
    "sgtm": [],
    "gram, whose table is drawn": ["partition.policy=gram"],
    "self-labeling": ["partition.self_labeling={after: 2, references: 1}"],
    "accumulation": ["train.gradient_accumulation=2"],
    "learning rates per group": ["train.group_learning_rates={forget: 3.0}"],
}


def _case(name: str) -> Any:
    """Where the loop of training is the same, once is enough for `make test`."""
    slow = name in ("accumulation", "learning rates per group")
    return pytest.param(CASES[name], marks=pytest.mark.slow if slow else ())


def weights(folder: Path, arm: str = "gradmask") -> bytes:
    return (folder / "run/arms" / arm / "model/model.safetensors").read_bytes()


def losses(folder: Path, arm: str = "gradmask") -> list[dict[str, object]]:
    timeless = [
        {k: v for k, v in line.items() if k != "seconds"}
        for line in RunLog(folder / f"run/arms/{arm}/log.jsonl").lines()
    ]
    return [line for line in timeless if "domain_loss" in line]


def stop_after(step: int, folder: Path, *changes: str) -> Doing:
    """Train until SIGTERM comes during ``step``."""
    stopper = Stopper()
    display = Doing(step, lambda: stopper.handle(signal.SIGTERM, None))
    with pytest.raises(
        Interrupted, match=rf"after step {step} of 6 of gradmask; run the same command again to resume"
    ) as caught:
        display.train(tiny_recipe(folder, "arms=[gradmask]", *changes), stopper=stopper)
    assert caught.value.exit_code == 143
    return display


@pytest.mark.parametrize("changes", [_case(name) for name in CASES], ids=CASES.keys())
def test_a_stopped_run_ends_with_the_same_bits(tmp_path: Path, changes: list[str]) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    train(tiny_recipe(whole, "arms=[gradmask]", *changes))
    stop_after(3, parts, *changes)
    display = Doing()
    display.train(tiny_recipe(parts, "arms=[gradmask]", *changes))
    assert display.steps == [4, 5, 6]
    assert weights(parts) == weights(whole)
    assert losses(parts) == losses(whole)


def test_other_bits_where_something_differs(tmp_path: Path) -> None:
    """The comparison above can fail."""
    for name, seed in (("a", 0), ("b", 1)):
        (tmp_path / name).mkdir()
        train(tiny_recipe(tmp_path / name, "arms=[gradmask]", f"train.seed={seed}"))
    assert weights(tmp_path / "a") != weights(tmp_path / "b")


def test_a_plain_arm_resumes_too(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    train(tiny_recipe(whole, "arms=[no_filter]"))
    stopper = Stopper()
    with pytest.raises(Interrupted):
        Doing(2, lambda: stopper.handle(signal.SIGINT, None)).train(
            tiny_recipe(parts, "arms=[no_filter]"), stopper=stopper
        )
    train(tiny_recipe(parts, "arms=[no_filter]"))
    assert weights(parts, "no_filter") == weights(whole, "no_filter")


def test_a_torn_checkpoint_is_skipped_with_a_message(tmp_path: Path) -> None:
    train(tiny_recipe(tmp_path, "arms=[gradmask]"))
    finished = weights(tmp_path)
    arm = tmp_path / "run/arms/gradmask"
    shutil.rmtree(arm / "model")
    (arm / "checkpoint-4/optimizer.pt").write_bytes((arm / "checkpoint-4/optimizer.pt").read_bytes()[:-1])
    shutil.copytree(arm / "checkpoint-2", arm / "checkpoint-5")
    (arm / "checkpoint-5/complete.json").unlink()
    with (arm / "log.jsonl").open("a") as log:
        log.write('{"step": 5, "los')
    display = Doing()
    display.train(tiny_recipe(tmp_path, "arms=[gradmask]"))
    assert any("checkpoint-5 is torn and skipped: it was not finished" in m for m in display.messages)
    assert any("checkpoint-4 is torn and skipped: optimizer.pt has" in m for m in display.messages)
    assert "gradmask resumes at step 2 of 6" in display.messages
    assert weights(tmp_path) == finished


def test_one_changed_byte_tears_a_checkpoint(tmp_path: Path) -> None:
    train(tiny_recipe(tmp_path, "arms=[gradmask]"))
    arm = tmp_path / "run/arms/gradmask"
    shutil.rmtree(arm / "model")
    file = arm / "checkpoint-4/model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    display = Doing()
    display.train(tiny_recipe(tmp_path, "arms=[gradmask]"))
    assert any("model.safetensors was changed" in m for m in display.messages)


def test_finished_arms_are_not_trained_again(tmp_path: Path) -> None:
    train(tiny_recipe(tmp_path, "arms=[no_filter]"))
    display = Doing()
    display.train(tiny_recipe(tmp_path, "arms=[no_filter, filter]"))
    assert "no_filter is already trained" in display.messages
    assert display.steps == [1, 2, 3, 4, 5, 6]


def test_another_recipe_in_the_same_folder_is_refused_with_what_changed(tmp_path: Path) -> None:
    train(tiny_recipe(tmp_path, "arms=[no_filter]"))
    before = weights(tmp_path, "no_filter")
    changed = ["arms=[no_filter]", "train.learning_rate=0.5", "partition.groups.forget.neurons=4"]
    with pytest.raises(GradmaskError, match=r"another recipe") as caught:
        train(tiny_recipe(tmp_path, *changed))
    assert "train.learning_rate: was 0.001, now 0.5" in str(caught.value)
    assert "partition.groups.forget.neurons: was 8, now 4" in str(caught.value)
    assert "--restart" in str(caught.value)
    assert weights(tmp_path, "no_filter") == before
    train(tiny_recipe(tmp_path, *changed), restart=True)
    assert weights(tmp_path, "no_filter") != before


def test_the_log_is_cut_back_to_where_the_run_resumes(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    for step in (1, 2, 3):
        log.append({"step": step, "seconds": step / 2})
    with log.path.open("a") as file:
        file.write('{"step": 4, "seco')
    assert log.rewind(2) == 1.0
    assert [json.loads(line)["step"] for line in log.path.read_text().splitlines()] == [1, 2]
