"""The machine: cores, memory, GPU. What is free for this process, not what is built in."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gradmask.lab.setup.findings import Finding, ok, warning

GIB = 1 << 30
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Gpu:
    """One CUDA device. ``memory`` and ``free`` are in bytes."""

    name: str
    memory: int
    free: int
    capability: tuple[int, int]
    bf16: bool


@dataclass(frozen=True)
class Machine:
    """Cores and bytes of memory that this process may use, and the GPUs that PyTorch sees."""

    cores: int
    memory: int
    free: int
    gpus: tuple[Gpu, ...] = ()

    @property
    def device(self) -> str:
        """``cuda`` or ``cpu``."""
        return "cuda" if self.gpus else "cpu"

    @property
    def bf16(self) -> bool:
        """Whether bf16 saves time here."""
        return bool(self.gpus) and all(gpu.bf16 for gpu in self.gpus)

    @property
    def room(self) -> int:
        """Bytes of memory free for a model: of the first GPU, or else of the machine."""
        return self.gpus[0].free if self.gpus else self.free

    def __str__(self) -> str:
        gpus = ", ".join(f"{gpu.name} ({gpu.memory / GIB:.0f} GiB)" for gpu in self.gpus) or "no GPU"
        return f"{self.cores} core{'s' * (self.cores != 1)}, {self.memory / GIB:.0f} GiB of memory, {gpus}"


def this_machine() -> Machine:
    """What there is; a container's limits count."""
    memory, free = _memory()
    return Machine(_cores(), memory, free, tuple(_gpus()))


def _cores() -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read(CGROUP / "cpu.max").partition(" ")
    return min(allowed, max(1, math.ceil(int(quota) / int(period)))) if quota.isdecimal() else allowed


def _memory() -> tuple[int, int]:
    """All and free bytes."""
    import psutil

    found = psutil.virtual_memory()
    limit, used = _read(CGROUP / "memory.max"), _read(CGROUP / "memory.current")
    if limit.isdecimal() and int(limit) < found.total:
        return int(limit), min(found.available, int(limit) - int(used or 0))
    return found.total, found.available


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _gpus() -> Iterator[Gpu]:
    import torch

    if not torch.cuda.is_available():
        return
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        capability = about.major, about.minor
        yield Gpu(about.name, total, free, capability, capability >= (8, 0))


def machine_found() -> Iterator[Finding]:
    """Cores and memory."""
    import torch

    machine = this_machine()
    threads = torch.get_num_threads()
    text = f"{machine.cores} cores, of which PyTorch uses {threads}"
    if threads < machine.cores and not machine.gpus:
        why = "OMP_NUM_THREADS is set" if "OMP_NUM_THREADS" in os.environ else "PyTorch chose so"
        yield warning("cores", f"{text} ({why})", f"for one run at a time, set OMP_NUM_THREADS={machine.cores}")
    else:
        yield ok("cores", text)
    text = f"{machine.free / GIB:.1f} of {machine.memory / GIB:.1f} GiB free"
    if machine.free < 2 * GIB:
        yield warning("memory", text, "close other programs: even small models need 2 GiB with PyTorch and the data")
    else:
        yield ok("memory", text)


def gpu_found() -> Iterator[Finding]:
    """GPUs, and one that PyTorch does not see."""
    import torch

    gpus = this_machine().gpus
    for index, gpu in enumerate(gpus):
        yield _gpu(index, gpu, torch.cuda.get_arch_list())
    if gpus:
        return
    if not (Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi")):
        yield ok("gpu", "none: models are trained on the CPU")
    elif torch.version.cuda is None:
        advice = "install PyTorch's CUDA build (pytorch.org)"
        yield warning("gpu", "there is an NVIDIA GPU, but this PyTorch is built without CUDA", advice)
    else:
        text = f"there is an NVIDIA GPU, but PyTorch (CUDA {torch.version.cuda}) cannot use it"
        yield warning("gpu", text, "check nvidia-smi, the driver's version and CUDA_VISIBLE_DEVICES")


def _gpu(index: int, gpu: Gpu, built_for: list[str]) -> Finding:
    major, minor = gpu.capability
    text = f"{index}: {gpu.name}, {gpu.free / GIB:.1f} of {gpu.memory / GIB:.1f} GiB free, compute capability {major}.{minor}"
    if built_for and not any(_runs(arch, gpu.capability) for arch in built_for):
        return warning(
            "gpu", f"{text}; this PyTorch is built for {', '.join(built_for)}", "install a PyTorch that supports it"
        )
    if gpu.free < 0.5 * gpu.memory:
        return warning("gpu", f"{text}: another program uses most of it", "see nvidia-smi")
    return ok("gpu", f"{text}, {'bf16' if gpu.bf16 else 'no bf16: train.precision fp16 or fp32'}")


def _runs(arch: str, capability: tuple[int, int]) -> bool:
    """Whether code for an architecture such as ``sm_80`` or ``compute_90`` runs on a device of this capability."""
    kind, _, number = arch.partition("_")
    digits = "".join(c for c in number if c.isdecimal())
    built = int(digits[:-1] or 0), int(digits[-1:] or 0)
    return built <= capability if kind == "compute" else built[0] == capability[0] and built <= capability
