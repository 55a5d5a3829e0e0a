"""What the processes of a run do together: one writes, the others wait, and all know what the first decides.

They talk through the launcher's key-value store, not by collectives: waiting for a file to be prepared has no time limit there, and
every process can tell the others that it failed while they are inside of a collective.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import torch.distributed as dist

Value = TypeVar("Value")
POLL = 0.05
"""Seconds between two looks into the store."""


@dataclass
class Team:
    """The processes of a run. One process alone is a team of one, for which nothing here takes any time."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1
    store: Any = None
    group: Any = None
    """The process group. Held to the end: see `gradmask.distributed.ending`."""
    doing: str = "starting"
    """What this process does, for messages of the others."""
    _count: int = field(default=0, repr=False)

    @property
    def first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def on_first(self, work: Callable[[], Value]) -> Value:
        """What ``work`` returns in the first process; the others wait for it. The value must be JSON."""
        if self.world == 1:
            return work()
        key = self._next("first")
        if self.first:
            value = work()
            self.store.set(key, json.dumps(value))
            return value
        while not self.store.check([key]):
            time.sleep(POLL)
        return json.loads(self.store.get(key))

    def wait(self) -> None:
        """Wait for all, without a time limit; a process that fails ends the wait (`gradmask.lab.run.team.watching`)."""
        if self.world == 1:
            return
        key = self._next("wait")
        self.store.add(key, 1)
        while self.store.add(key, 0) < self.world:
            time.sleep(POLL)

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Within: one process of this machine after another, so that one whole model at a time lies in its memory."""
        key = f"{self._next('turn')}/{self.rank - self.local_rank}"
        while self.local_world > 1 and self.store.add(key, 0) < self.local_rank:
            time.sleep(POLL)
        yield
        if self.local_world > 1:
            self.store.add(key, 1)

    def any(self, mine: bool) -> bool:
        """Whether it is so in any process; a collective call."""
        if self.world == 1:
            return mine
        flag = torch.tensor(int(mine))
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag)

    def share(self, things: list[Value]) -> list[Value]:
        """This process's part of what the processes divide among them."""
        return things[self.rank :: self.world]

    def _next(self, kind: str) -> str:
        self._count += 1
        return f"gradmask/{kind}/{self._count}"


_here = Team()


def here() -> Team:
    """The team that this process belongs to."""
    return _here


def join(team: Team) -> None:
    """Make ``team`` the one that this process belongs to."""
    global _here
    _here = team
