"""Examples and trainers, started as people start them: torchrun and accelerate launch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TORCHRUN = [str(BIN / "torchrun"), "--standalone", "--nproc-per-node", "2"]


def launched(*command: str, folder: Path) -> dict[str, float]:
    """The losses that a command prints: name and number at the end of a line each."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line.rsplit(maxsplit=1) for line in done.stdout.splitlines()]
    return {name.strip(): float(number) for name, number in (row for row in rows if len(row) == 2)}


def check(losses: dict[str, float]) -> None:
    assert losses["retain"] < 1.0
    assert losses["forget"] < 1.0
    assert losses["retain without"] < losses["retain"] + 0.1
    assert losses["forget without"] > losses["forget"] + 0.3


def test_ddp_loop(tmp_path: Path) -> None:
    check(launched(*TORCHRUN, str(ROOT / "examples/ddp_loop.py"), folder=tmp_path))


def test_fsdp2_loop_and_going_on(tmp_path: Path) -> None:
    script = str(ROOT / "examples/fsdp2_loop.py")
    first = launched(*TORCHRUN, script, folder=tmp_path)
    check(first)
    last = tmp_path / "runs/example_fsdp2/epoch-6"
    last.rename(tmp_path / "taken-away")
    assert launched(*TORCHRUN, script, folder=tmp_path) == first
    assert last.is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("configuration", ["ddp_cpu", "fsdp2_cpu"])
def test_accelerate(configuration: str, tmp_path: Path) -> None:
    config = ["--config_file", str(ROOT / f"recipes/accelerate/{configuration}.yaml")]
    launch = [str(BIN / "accelerate"), "launch", *config]
    check(launched(*launch, str(ROOT / "examples/accelerate_loop.py"), folder=tmp_path))
