"""One of several processes is killed in the middle: all end with a message, and the same command resumes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tests.lab.run.tiny_run import tiny_recipe

from gradmask.lab.run.checkpoints import checkpoints, step_of
from gradmask.lab.run.driver import train
from gradmask.lab.run.folder import RunFolder, as_yaml
from gradmask.lab.run.trained import trained_model

CHANGES = ("arms=[gradmask]", "train.steps=12", "model.config.attention_dropout=0.0", "evaluate.samples=0")
LABELING = "partition.self_labeling={after: 1, every: 1}"
PATIENCE = 300.0
"""Seconds after which processes count as hung."""


def start(recipe: Path, engine: str) -> list[subprocess.Popen[str]]:
    """Two processes, as two machines would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gradmask", "train", str(recipe), "--set", f"train.engine={engine}"]
    here = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            command,
            env={**os.environ, **here, "RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]


def kill_after_a_checkpoint(processes: list[subprocess.Popen[str]], which: int, arm: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and not any(step_of(path) >= 4 for path in checkpoints(arm)):
        assert all(process.poll() is None for process in processes), processes[0].communicate()[0]
        time.sleep(0.02)
    processes[which].send_signal(signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("engine", "which"), [("ddp", 1), ("ddp", 0), ("fsdp2", 1)])
def test_all_end_and_the_run_resumes(engine: str, which: int, tmp_path: Path) -> None:
    one, many = (tiny_recipe(tmp_path, *CHANGES, LABELING, f"output={tmp_path / name}") for name in ("one", "many"))
    train(one)
    file = tmp_path / "many.yaml"
    file.write_text(as_yaml(many), encoding="utf-8")
    arm = RunFolder.of(many).arm("gradmask")
    processes = start(file, engine)
    try:
        kill_after_a_checkpoint(processes, which, arm.path)
        said = [process.communicate(timeout=PATIENCE)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert processes[which].returncode == -signal.SIGKILL
    assert processes[1 - which].returncode not in (0, -signal.SIGKILL)
    assert not arm.finished
    assert "Run the same command again" in said[1 - which]
    assert "Traceback" not in said[1 - which]
    again = start(file, engine)
    said = [process.communicate(timeout=PATIENCE)[0] for process in again]
    assert [process.returncode for process in again] == [0, 0], said
    assert "resumes at step" in said[0]
    whole, resumed = (trained_model(RunFolder.of(own).arm("gradmask")).state_dict() for own in (one, many))
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=1e-6, msg=name)
