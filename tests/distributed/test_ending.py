"""A program that trains under DDP ends, at whatever moment it does: see `gradmask.distributed.ending`."""

from __future__ import annotations

import copy
import ctypes
import importlib
import pickle
import signal
import sys
from pathlib import Path

import pytest
import torch.distributed as dist
from tests.distributed.running import batches, on_ranks, partitioned
from tests.distributed.test_examples import ROOT, TORCHRUN, check, launched
from torch import Tensor
from torch.distributed import distributed_c10d
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel

from gradmask.distributed.ending import NAME, Kept

# before there is a group: its functions' defaults would keep the group alive, and hide the fault
importlib.import_module("torch.distributed.nn.functional")
LOCKED = ctypes.PyDLL(None)
"""The C library, called without releasing Python's global lock."""
FUTEX, TIMED = "202", 4


def threads() -> list[Path]:
    """Gloo's threads that run collectives."""
    tasks = Path("/proc/self/task").iterdir()
    return [task / "syscall" for task in tasks if "gloo_runloop" in (task / "comm").read_text()]


def wait_for_lock(paths: list[Path]) -> bool:
    """Whether a thread waits for Python's global lock, found out without releasing it: it waits with a time limit."""
    LOCKED.usleep(3000)
    calls = map(_system_call, paths)
    return any(call[0] == FUTEX and int(call[TIMED], 16) != 0 for call in calls if len(call) > TIMED)


def _system_call(path: Path) -> list[str]:
    buffer = ctypes.create_string_buffer(512)
    file = LOCKED.open(str(path).encode(), 0)
    size = LOCKED.read(file, buffer, 512)
    LOCKED.close(file)
    return buffer.raw[:size].decode().split()


def end_while_a_thread_waits(times: int) -> int:
    """Train until one of Gloo's threads waits for the lock, then let go of everything at once; returns how often that came about."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(60)  # a hung main thread runs no Python
    model, (batch,) = partitioned(), batches("mixed", 1)
    waited = sum(_end_while_a_thread_waits(model, batch) for _ in range(times))
    signal.alarm(0)
    sys.setswitchinterval(0.005)
    return waited


def _end_while_a_thread_waits(model: PreTrainedModel, batch: dict[str, Tensor]) -> bool:
    sys.setswitchinterval(0.005)
    group = dist.new_group()
    ranks = DistributedDataParallel(model, process_group=group)
    ranks(**batch).loss.backward()
    paths, made = threads(), 1
    sys.setswitchinterval(100)  # or the lock would be handed over after 5 ms
    while not (waits := wait_for_lock(paths)) and made < 200:
        ranks(**batch).loss.backward()
        made += 1
    _forget(group)
    return waits


def _forget(group: dist.ProcessGroup) -> None:
    """What ``destroy_process_group`` does, but for its ``shutdown``, which may release the lock for long enough, as freeing tensors may."""
    world = distributed_c10d._world
    for known in (world.pg_map, world.pg_names, world.pg_group_ranks, world.pg_backend_config, world.pg_to_tag):
        known.pop(group, None)
    for groups in world.tags_to_pg.values():
        groups[:] = [other for other in groups if other is not group]


@pytest.mark.slow  # the moment comes in most rounds, not in all
@pytest.mark.skipif(sys.platform != "linux", reason="what a thread waits for is read from /proc")
def test_the_process_group_is_freed_without_the_lock() -> None:
    assert on_ranks(1, end_while_a_thread_waits, 4) == [4]


def keep_and_copy() -> None:
    ranks = DistributedDataParallel(partitioned())
    (batch,) = batches("mixed", 1)
    ranks(**batch)
    names = list(vars(ranks))
    assert names.index(NAME) > names.index("reducer") > names.index("process_group")
    assert vars(ranks)[NAME].group is dist.group.WORLD
    assert vars(copy.deepcopy(ranks))[NAME].group is None
    assert pickle.loads(pickle.dumps(Kept(dist.group.WORLD))).group is None


def test_python_holds_the_group_for_longest() -> None:
    on_ranks(1, keep_and_copy)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_example_ends_every_time(tmp_path: Path) -> None:
    command = [part for part in TORCHRUN if part != "--standalone"]
    for _ in range(20):
        check(launched(*command, str(ROOT / "examples/ddp_loop.py"), folder=tmp_path))
