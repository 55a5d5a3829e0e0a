"""Examples and trainers, started as people start them: torchrun and accelerate launch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TORCHRUN = [str(BIN / "torchrun"), "--standalone", "--nproc-per-node", "2"]


def launched(*command: str, folder: Path) -> dict[str, float]:
    """The losses that a command prints among other things: a line each, of a name and a number."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = re.findall(r"^((?:retain|forget)(?: without)?) +([0-9.]+)$", done.stdout, re.MULTILINE)
    return {name: float(number) for name, number in rows}


def check(losses: dict[str, float]) -> None:
    assert losses["retain"] < 1.0
    assert losses["forget"] < 1.0
    assert losses["retain without"] < losses["retain"] + 0.1
    assert losses["forget without"] > losses["forget"] + 0.3


@pytest.mark.slow
def test_ddp_loop(tmp_path: Path) -> None:
    check(launched(*TORCHRUN, str(ROOT / "examples/ddp_loop.py"), folder=tmp_path))


@pytest.mark.slow
def test_fsdp2_loop_and_going_on(tmp_path: Path) -> None:
    script = str(ROOT / "examples/fsdp2_loop.py")
    first = launched(*TORCHRUN, script, folder=tmp_path)
    check(first)
    last = tmp_path / "runs/example_fsdp2/epoch-6"
    last.rename(tmp_path / "taken-away")
    assert launched(*TORCHRUN, script, folder=tmp_path) == first
    assert last.is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["accelerate_loop", "trainer"])
def test_examples_for_one_process_run_on_several(name: str, tmp_path: Path) -> None:
    check(launched(*TORCHRUN, str(ROOT / f"examples/{name}.py"), folder=tmp_path))


@pytest.mark.parametrize("name", ["ddp", "fsdp2"])
def test_accelerate_reads_the_configurations(name: str) -> None:
    config = load_config_from_file(str(ROOT / f"recipes/accelerate/{name}.yaml"))
    assert config.num_processes == 8
    assert config.mixed_precision == "bf16"
    if name == "fsdp2":
        assert config.distributed_type == DistributedType.FSDP
        assert config.fsdp_config["fsdp_version"] == 2
