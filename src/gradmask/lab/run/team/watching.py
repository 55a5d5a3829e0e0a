"""How processes fail together: each says now and then that it lives, and hears when another failed.

A process inside of a collective waits for others that will never come. So a thread beside the work watches the store. The first
process, which talks for all, says what happened; then every process ends.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from gradmask.lab.progress import status
from gradmask.lab.run.team.team import Team

logger = logging.getLogger(__name__)
FAILED, HEARD, LEFT = "gradmask/failed", "gradmask/heard", "gradmask/left"
EVERY = 1.0
"""Seconds between two signs of life."""
SILENCE = 60.0
"""Seconds after which a process that gives no sign of life is gone."""
PATIENCE = 10.0
"""Seconds that a failed process waits for the first one to say so."""


@dataclass(frozen=True)
class Failure:
    """What a process failed with: what it says, and the exit code."""

    rank: int
    text: str
    code: int

    @property
    def message(self) -> str:
        return f"error: process {self.rank}: {self.text}"


class Watch(threading.Thread):
    """The thread. It has a connection of its own: one store waits for one thing at a time."""

    def __init__(self, team: Team, silence: float = SILENCE) -> None:
        super().__init__(daemon=True, name="gradmask-watch")
        self.team, self.store, self.silence = team, team.store.clone(), silence
        self.over = threading.Event()
        self.seen: dict[int, tuple[bytes, float]] = {}

    def run(self) -> None:
        count = 0
        while not self.over.wait(EVERY):
            count += 1
            try:
                self._look(count)
            except Exception as error:  # whatever the store raises: it is gone, and so is the process that holds it
                if not self.over.is_set():
                    self._end(f"error: {unreachable(error)}", 1)

    def _look(self, count: int) -> None:
        team = self.team
        self.store.set(f"gradmask/alive/{team.rank}", json.dumps([count, socket.gethostname(), team.doing]))
        if self.store.check([FAILED]):
            failure = Failure(**json.loads(self.store.get(FAILED)))
            if failure.rank != team.rank:
                self._hear(failure)
        elif team.first and (lost := self._lost()):
            self._end(f"error: {lost}", 1)

    def _hear(self, failure: Failure) -> None:
        if self.team.first:
            self.store.set(HEARD, "1")
            self._end(failure.message, failure.code)
        self._end("", failure.code)

    def _lost(self) -> str:
        """Who has been silent for too long, in words."""
        now = time.monotonic()
        for rank in range(1, self.team.world):
            key = f"gradmask/alive/{rank}"
            said = self.store.get(key) if self.store.check([key]) else b""
            before = self.seen.get(rank)
            if before is None or before[0] != said:
                self.seen[rank] = (said, now)
            elif said and now - before[1] > self.silence and not self.store.check([f"{LEFT}/{rank}"]):
                _, host, doing = json.loads(said)
                return (
                    f"process {rank} on {host} has given no sign of life for {self.silence:.0f} s (last: {doing}): it was "
                    "killed or stopped, or its machine or network is lost. Run the same command again: it resumes from the "
                    "last checkpoint"
                )
        return ""

    def _end(self, text: str, code: int) -> None:
        if text:
            status("")
            if self.team.first:
                logger.error(text)
            else:  # the loggers of other processes are silent, and the first one cannot speak for this one any more
                print(text, file=sys.stderr, flush=True)
        os._exit(code)


def unreachable(error: BaseException) -> str:
    """What a process says that finds the store, which the first one holds, gone."""
    return (
        f"the first process, or its machine, cannot be reached any more ({_line(error)}). Run the same command again: it resumes "
        "from the last checkpoint"
    )


def where(team: Team) -> str:
    """What every process said last that it does, in words."""
    parts = []
    for rank in range(team.world):
        key = f"gradmask/alive/{rank}"
        said: Any = json.loads(team.store.get(key)) if team.store.check([key]) else (0, "?", "nothing yet")
        parts.append(f"process {rank} on {said[1]}: {said[2]}")
    return "; ".join(parts)


def post(team: Team, text: str, code: int) -> bool:
    """Tell the others that this process failed; whether the first one says so for all.

    The first process that posts is the cause; what others post is what follows from it.
    """
    value = json.dumps({"rank": team.rank, "text": text, "code": code})
    cause = Failure(**json.loads(team.store.compare_set(FAILED, "", value)))
    if team.first:
        if cause.rank != team.rank:
            logger.error(cause.message)
        return cause.rank != team.rank
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if team.store.check([HEARD]):
            return True
        time.sleep(0.1)
    return False


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
