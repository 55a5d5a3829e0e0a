"""Joining the processes that a launcher started, and leaving them: all together, also where one fails."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from gradmask.errors import GradmaskError
from gradmask.lab.progress import Progress, showing
from gradmask.lab.run.failures import Interrupted, RunError
from gradmask.lab.run.launcher import launched
from gradmask.lab.run.team.team import Team, here, join
from gradmask.lab.run.team.watching import LEFT, SILENCE, Watch, post, unreachable, where

TIMEOUT = 1800.0
"""Seconds that a collective may take, by default: the slowest thing that one process does while others wait in one."""
LOST = ("Connection closed", "Connection reset", "Broken pipe", "Timed out", "timed out", "timeout", "Timeout")


@contextmanager
def started(timeout: float | None = None, silence: float | None = None) -> Iterator[Team]:
    """Within: this process is one of the team that the launcher started, if any did.

    Args:
        timeout: seconds that a collective may take.
        silence: seconds without a sign of life after which a process counts as gone.

    Raises:
        GradmaskError: the launcher asks for an engine that is not supported.
        SystemExit: this process failed, and the first one says why.
    """
    if launched() == 1 or here().world > 1:
        yield here()
        return
    _check_launcher()
    team = _team(TIMEOUT if timeout is None else timeout)
    join(team)
    watch = Watch(team, SILENCE if silence is None else silence)
    watch.start()
    try:
        with _speaking(team):
            yield team
            team.wait()
    except BaseException as error:
        watch.over.set()
        join(Team())
        _fail(team, error)
        raise
    watch.over.set()
    _leave(team)


@contextmanager
def _speaking(team: Team) -> Iterator[None]:
    """Within: the first process alone says what goes on."""
    if team.first:
        yield
        return
    package = logging.getLogger("gradmask")
    package.addFilter(_nothing)
    handlers = list(package.handlers)
    for handler in handlers:  # a logger's own filter does not see what its children pass up
        handler.addFilter(_nothing)
    try:
        with showing(Progress()):
            yield
    finally:
        for filtered in (package, *handlers):
            filtered.removeFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:
    return False


def _check_launcher() -> None:
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() == "true":
        raise GradmaskError(
            "accelerate launch asks for DeepSpeed, which is not supported (ZeRO 1, 2 and 3 alike): its optimizers keep the "
            "gradients of all groups in flat buffers, where what must not learn is moved by momentum and weight decay. Use DDP, or "
            "FSDP2, which shards as ZeRO 3 does (train.engine=fsdp2)"
        )
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK"):
        if name not in os.environ:
            raise GradmaskError(
                f"WORLD_SIZE is {launched()}, but {name} is not set: start with torchrun or accelerate launch, or unset WORLD_SIZE"
            )


def wants_fsdp2() -> bool:
    """Whether `accelerate launch` asks for FSDP. gradmask shards by itself, so Accelerate must not."""
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
        os.environ["ACCELERATE_USE_FSDP"] = "false"
        os.environ["GRADMASK_ENGINE"] = "fsdp2"
    return os.environ.get("GRADMASK_ENGINE") == "fsdp2"


def _team(timeout: float) -> Team:
    wants_fsdp2()
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available() and os.environ.get("ACCELERATE_USE_CPU", "").lower() != "true"
    if cuda:
        torch.cuda.set_device(local)
    else:
        os.environ["ACCELERATE_USE_CPU"] = "true"
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=timedelta(seconds=timeout))
    store = _plain(dist.distributed_c10d._get_default_store())
    locals_ = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return Team(rank, launched(), local, locals_, store, dist.group.WORLD)


def _plain(store: Any) -> Any:
    """The store below the prefixes that PyTorch puts before its keys."""
    while isinstance(store, dist.PrefixStore):
        store = store.underlying_store
    return store


def _fail(team: Team, error: BaseException) -> None:
    """Tell the others; where the first process speaks for this one, end without a word."""
    signal.signal(
        signal.SIGTERM, signal.SIG_IGN
    )  # the launcher ends the others' processes when the first one has ended
    try:
        _tell(team, error)
    except dist.DistError as gone:
        atexit.register(os._exit, 1)
        raise RunError(unreachable(gone)) from error


def _tell(team: Team, error: BaseException) -> None:
    code = error.exit_code if isinstance(error, Interrupted) else 1 if _ran(error) else 2
    text = str(error) or type(error).__name__
    if _lost(error):
        text = (
            f"the processes lost each other ({text.splitlines()[0]}). What they did last: {where(team)}. Run the same command "
            "again: it resumes from the last checkpoint"
        )
        error = RunError(text)
    atexit.register(
        os._exit, code
    )  # the process group's threads may wait for others, which would keep this process from ending
    interrupted = isinstance(error, Interrupted)
    if (interrupted and not team.first) or (not interrupted and post(team, text, code)):
        raise SystemExit(code) from None
    if isinstance(error, RunError):
        raise error from None


def _ran(error: BaseException) -> bool:
    return isinstance(error, RunError) or not isinstance(error, GradmaskError)


def _lost(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and any(word in str(error) for word in LOST)


def _leave(team: Team) -> None:
    join(Team())
    team.store.set(f"{LEFT}/{team.rank}", "1")
    gc.collect()  # engines go before their process group
    if dist.is_initialized():
        dist.destroy_process_group()
