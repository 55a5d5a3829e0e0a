"""Cores, memory and GPUs: a container's limits count, and a GPU that cannot be used is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gradmask.lab.setup import machine
from gradmask.lab.setup.machine import GIB, Gpu, Machine, gpu_found, machine_found, this_machine

H100 = Gpu("H100", 80 * GIB, 78 * GIB, (9, 0), True)


def test_this_machine() -> None:
    here = this_machine()
    assert here.cores >= 1
    assert 0 < here.free <= here.memory
    assert here.device == ("cuda" if torch.cuda.is_available() else "cpu")


def test_limits_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    limits = {"cpu.max": "100000 100000", "memory.max": str(GIB // 2), "memory.current": str(GIB // 4)}
    for name, text in limits.items():
        (tmp_path / name).write_text(text)
    here = this_machine()
    assert (here.cores, here.memory, here.free) == (1, GIB // 2, GIB // 4)
    (tmp_path / "cpu.max").write_text("max 100000")
    (tmp_path / "memory.max").write_text("max")
    assert this_machine().memory > GIB // 2


def test_little_memory_and_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "this_machine", lambda: Machine(64, 8 * GIB, GIB))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    cores, memory = machine_found()
    assert (cores.status, memory.status) == ("warning", "warning")
    assert cores.advice.endswith("OMP_NUM_THREADS=64")


@pytest.mark.parametrize(
    ("gpu", "built_for", "status", "text"),
    [
        (H100, ["sm_80", "sm_90"], "ok", "78.0 of 80.0 GiB free, compute capability 9.0, bf16"),
        (H100, ["sm_80", "compute_80"], "ok", "bf16"),
        (H100, ["sm_70", "sm_80"], "warning", "this PyTorch is built for sm_70, sm_80"),
        (Gpu("T4", 16 * GIB, 15 * GIB, (7, 5), False), ["sm_75"], "ok", "no bf16"),
        (Gpu("H100", 80 * GIB, 8 * GIB, (9, 0), True), ["sm_90"], "warning", "another program uses most of it"),
    ],
)
def test_gpus(monkeypatch: pytest.MonkeyPatch, gpu: Gpu, built_for: list[str], status: str, text: str) -> None:
    monkeypatch.setattr(machine, "this_machine", lambda: Machine(8, GIB, GIB, (gpu,)))
    monkeypatch.setattr("torch.cuda.get_arch_list", lambda: built_for)
    (finding,) = gpu_found()
    assert finding.status == status
    assert text in finding.text


@pytest.mark.parametrize(
    ("cuda", "text"), [(None, "this PyTorch is built without CUDA"), ("12.6", "(CUDA 12.6) cannot use it")]
)
def test_a_gpu_that_pytorch_does_not_see(monkeypatch: pytest.MonkeyPatch, cuda: str | None, text: str) -> None:
    monkeypatch.setattr(machine, "this_machine", lambda: Machine(8, GIB, GIB))
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("torch.version.cuda", cuda)
    (finding,) = gpu_found()
    assert finding.status == "warning"
    assert text in finding.text
