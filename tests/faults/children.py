"""The program in a child process that can be killed, or whose disk fails, at a chosen moment.

Children are forked from a process that has imported everything, so that a trial takes the time of the work alone. They are real
processes: a kill is SIGKILL, and nothing of theirs is cleaned up.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from gradmask.cli import main

WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}
"""Audit events, besides opening a file for writing, at which a process changes the disk."""


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code, negative for a signal; what it said; how often it touched its folder."""

    code: int
    said: str
    seconds: float

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


def run(
    argv: Sequence[str], log: Path, before: Callable[[], None] | None = None, kill_after: float | None = None
) -> Ended:
    """Run the program in a child.

    Args:
        argv: its arguments.
        log: where its output goes.
        before: done in the child, first.
        kill_after: seconds until it is killed, where it still runs.
    """
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_child(argv, log, before)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if kill_after is not None and time.monotonic() - began >= kill_after:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            break
        time.sleep(0.002)
    said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return Ended(os.waitstatus_to_exitcode(status), said, time.monotonic() - began)


def command(
    argv: Sequence[str], log: Path, begun: Callable[[], bool] = lambda: True, kill_after: float | None = None
) -> Ended:
    """Run the installed program, as a user does; killed so many seconds after ``begun`` says that its work has begun."""
    began, work = time.monotonic(), None
    with log.open("w", encoding="utf-8") as out:
        program = subprocess.Popen(
            [str(Path(sys.executable).with_name("gradmask")), *argv], stdout=out, stderr=subprocess.STDOUT
        )
        while program.poll() is None:
            if work is None and begun():
                work = time.monotonic()
            if kill_after is not None and work is not None and time.monotonic() - work >= kill_after:
                program.kill()
            time.sleep(0.005)
    said = log.read_text(encoding="utf-8", errors="replace")
    return Ended(program.returncode, said, time.monotonic() - began)


def _be_child(argv: Sequence[str], log: Path, before: Callable[[], None] | None) -> NoReturn:
    code = 99
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with log.open("w", encoding="utf-8") as out, redirect_stdout(out), redirect_stderr(out):
            if before is not None:
                before()
            code = main(list(argv))
    finally:
        os._exit(code)


def watched(folder: Path, each: Callable[[int], None]) -> Callable[[], None]:
    """Call ``each`` with 1, 2, ... whenever the child is about to change something below ``folder``."""
    root, count = str(folder), [0]

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            writes = (mode is not None and set("wax+") & set(mode)) or (flags or 0) & (os.O_WRONLY | os.O_RDWR)
        else:
            path, writes = (args or ("",))[0], event in WRITES
        if writes and isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(root):
            count[0] += 1
            each(count[0])

    return lambda: sys.addaudithook(hook)


def at_write(folder: Path, number: int, action: Callable[[], None], ever_after: bool = False) -> Callable[[], None]:
    """Do something at the ``number``-th write below ``folder``, and at every later one where ``ever_after``."""
    return watched(folder, lambda n: action() if n == number or (ever_after and n > number) else None)


def counted(folder: Path, target: Path) -> Callable[[], None]:
    """Add a byte to the file ``target`` for every write below ``folder``."""

    def start() -> None:
        out = target.open("ab", buffering=0)
        watched(folder, lambda n: out.write(b".") and None)()

    return start


def die() -> None:
    """SIGKILL to oneself: no handler, no cleaning up, nothing flushed."""
    os.kill(os.getpid(), signal.SIGKILL)


def failing_disk(code: int) -> Callable[[], None]:
    """An action that fails as the operating system would."""

    def fail() -> None:
        raise OSError(code, os.strerror(code))

    return fail


FULL, READ_ONLY, BROKEN = errno.ENOSPC, errno.EROFS, errno.EIO
