"""The documents of one lane without an end: some of its files are read side by side, in an order of their own in every pass."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gradmask.data.reading import Document
from gradmask.data.text_stream.labels import Kept
from gradmask.errors import GradmaskError


class Hand(NamedTuple):
    """A file that is being read: which, how many of its documents were taken, and how far it is, on a clock that all share."""

    shard: int
    taken: int
    time: float


class Place(NamedTuple):
    """Where a reader is: the pass, how many files of its order it opened, and the files that are open."""

    epoch: int = 0
    opened: int = 0
    hands: tuple[Hand, ...] = ()

    def to_json(self) -> list[Any]:
        return [self.epoch, self.opened, [list(hand) for hand in self.hands]]

    @classmethod
    def from_json(cls, values: Sequence[Any]) -> Place:
        epoch, opened, hands = values
        return cls(epoch, opened, tuple(Hand(int(shard), int(taken), float(time)) for shard, taken, time in hands))


class Readable(NamedTuple):
    """A file: its name, its bytes, what gives its documents from the beginning, and what the training set takes of each."""

    name: str
    size: int
    read: Callable[[], Generator[Document]]
    keep: Callable[[Document], Kept | None]


@dataclass
class _Open:
    hand: Hand
    documents: Generator[Document]


class Reader:
    """Reads a lane's files.

    Of the files that are open, that one gives the next document which has given the smallest part of itself since it was opened:
    so a large file beside small ones is not read up after them, and the texts of several sources are mixed in proportion.

    Args:
        shards: the lane's files.
        seed: of the order of files, which differs in every pass.
        hands: files that are open at a time.
        place: where to go on; the documents that were taken are read again, and dropped.

    Raises (while reading):
        GradmaskError: a file without text.
    """

    def __init__(
        self,
        shards: Sequence[Readable],
        seed: Sequence[int],
        hands: int,
        place: Place = Place(),  # noqa: B008
    ) -> None:
        self.shards, self.seed, self.hands = shards, list(seed), min(hands, len(shards))
        self.epoch, self.opened = place.epoch, place.opened
        self.open = [self._again(hand) for hand in place.hands]

    @property
    def place(self) -> Place:
        """Where it is now."""
        return Place(self.epoch, self.opened, tuple(one.hand for one in self.open))

    def take(self) -> Kept | None:
        """What the training set takes of the next document; None where it takes nothing."""
        while True:
            while len(self.open) < self.hands:
                self._open_next()
            one = min(self.open, key=lambda one: one.hand.time)
            shard, taken, time = one.hand
            document = next(one.documents, None)
            if document is not None:
                one.hand = Hand(shard, taken + 1, time + document.size / self.shards[shard].size)
                return self.shards[shard].keep(document)
            if not taken:
                raise GradmaskError(f"{self.shards[shard].name} has no text: remove it from data.sources")
            self.open.remove(one)

    def close(self) -> None:
        """Close the files that are open."""
        for one in self.open:
            one.documents.close()
        self.open = []

    def _open_next(self) -> None:
        if self.opened == len(self.shards):
            self.epoch, self.opened = self.epoch + 1, 0
        order = np.random.default_rng([*self.seed, self.epoch]).permutation(len(self.shards))
        shard = int(order[self.opened])
        self.opened += 1
        now = min((one.hand.time for one in self.open), default=0.0)
        self.open.append(_Open(Hand(shard, 0, now), self.shards[shard].read()))

    def _again(self, hand: Hand) -> _Open:
        documents = self.shards[hand.shard].read()
        for taken in range(hand.taken):
            if next(documents, None) is None:
                raise GradmaskError(
                    f"{self.shards[hand.shard].name} has {taken:,} documents now, and {hand.taken:,} were read before: restore it "
                    "unchanged, then resume the run"
                )
        return _Open(hand, documents)
