"""One lane of a stream: its documents become sequences, in blocks within which they are shuffled."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gradmask.data.names import RETAIN, UNLABELED
from gradmask.data.text_stream.labels import Kept, columns
from gradmask.data.text_stream.reader import Place, Readable, Reader
from gradmask.data.tokenizing import tokenized_batch
from gradmask.errors import GradmaskError

CHUNK, CHUNK_BYTES = 64, 1 << 20
"""Documents that are tokenized at a time, and the bytes after which fewer are."""
PATIENCE = 20
"""As many times the text of a block is read to make it, where unlabeled text waits."""


class Sequenced(NamedTuple):
    """A packed sequence: the label of its documents, and ``[1 + per token, length]``: its tokens, and what else is per token."""

    label: int
    rows: np.ndarray


@dataclass
class LaneState:
    """Where a lane is at the beginning of a block: the text that waits for a whole sequence, by label, and whole ones left over."""

    block: int = 0
    place: Place = field(default_factory=Place)
    waiting: dict[int, np.ndarray] = field(default_factory=dict)
    left: list[Sequenced] = field(default_factory=list)


@dataclass(frozen=True)
class Making:
    """How documents become sequences; the same in all lanes.

    Args:
        tokenizer: a Transformers one.
        length: tokens of a sequence.
        per_token: which of `gradmask.data.tokenizing.PER_TOKEN` sequences have.
        training_set: for messages.
    """

    tokenizer: Any
    length: int
    per_token: Sequence[str] = ()
    training_set: str = "labeled"


class Passing:
    """What of a block's text is passed over while unlabeled text waits.

    Retain text takes the place of unlabeled text. A group's text comes as often as in all that was read: where little else is
    labeled, a block would be made of groups otherwise.

    Args:
        tokens: of the block; 0: nothing waits. After `PATIENCE` times as many there is too little labeled retain: nothing waits.
    """

    def __init__(self, tokens: int) -> None:
        self.left = PATIENCE * tokens
        self.read: Counter[int] = Counter()
        self.kept: Counter[int] = Counter()

    def over(self, document: Sequenced) -> bool:
        """Whether the next document is passed over."""
        if self.left <= 0:
            return False
        label, tokens = document.label, document.rows.shape[1]
        self.left -= tokens
        self.read[label] += tokens
        often = self.kept[label] * self.read.total() > self.read[label] * self.kept.total()
        if label == UNLABELED or (label != RETAIN and often):
            return True
        self.kept[label] += tokens
        return False


class Lane:
    """Gives blocks of sequences, one after the other.

    Args:
        number: of the lane.
        shards: its files.
        making: see `Making`.
        block: sequences of a block.
        seed: of the stream.
        hands: files that are read side by side.
        labeled: blocks in which unlabeled text is passed over, as long as the lane is in its first pass over its files (`Passing`).
        state: where to begin.
    """

    def __init__(
        self,
        number: int,
        shards: Sequence[Readable],
        making: Making,
        block: int,
        seed: int,
        hands: int,
        labeled: int = 0,
        state: LaneState | None = None,
    ) -> None:
        state = state or LaneState()
        self.number, self.making, self.block, self.seed, self.labeled = number, making, block, seed, labeled
        self.next, self.place = state.block, state.place
        self.waiting, self.left = dict(state.waiting), list(state.left)
        self.reader = Reader(shards, [seed, number], hands, state.place)
        self.tokenized: deque[tuple[Place, Sequenced]] = deque()
        """Documents that were read ahead, each with the reader's place after it."""

    @property
    def state(self) -> LaneState:
        """Where the lane is: at the beginning of its next block."""
        return LaneState(self.next, self.place, dict(self.waiting), list(self.left))

    def give(self) -> list[Sequenced]:
        """The sequences of the next block, shuffled."""
        passing = Passing(self.block * self.making.length if self.next < self.labeled else 0)
        while len(self.left) < self.block:
            self._pack(*self._document(), passing)
        block, self.left = self.left[: self.block], self.left[self.block :]
        order = np.random.default_rng([self.seed, self.number, self.next, 1]).permutation(self.block)
        self.next += 1
        return [block[i] for i in order]

    def close(self) -> None:
        """Close its files."""
        self.reader.close()

    def _pack(self, place: Place, document: Sequenced, passing: Passing) -> None:
        self.place = place
        if not place.epoch and passing.over(document):
            return
        before = self.waiting.get(document.label)
        rows = document.rows if before is None else np.concatenate([before, document.rows], axis=1)
        length = self.making.length
        end = rows.shape[1] // length * length
        self.left += [Sequenced(document.label, rows[:, i : i + length].copy()) for i in range(0, end, length)]
        self.waiting[document.label] = rows[:, end:].copy()  # a view would hold the whole document

    def _document(self) -> tuple[Place, Sequenced]:
        if not self.tokenized:
            self._read_ahead()
        return self.tokenized.popleft()

    def _read_ahead(self) -> None:
        kept: list[Kept] = []
        places: list[Place] = []
        size, began = 0, self.reader.place.epoch
        while len(kept) < CHUNK and size < CHUNK_BYTES:
            own = self.reader.take()
            if own is not None:
                kept.append(own)
                places.append(self.reader.place)
                size += own.document.size
            elif not kept and self.reader.place.epoch > began + 1:
                raise GradmaskError(
                    f"a lane of the stream has no text for the training set {self.making.training_set!r}: check data.labels, "
                    "take fewer lanes (data.stream.lanes), or leave out the arms that train on it"
                )
        asked = self.making.per_token
        batch = columns(kept, "data_labels" in asked, "loss_mask" in asked)
        for place, (key, tokens) in zip(places, tokenized_batch(batch, self.making.tokenizer, asked), strict=True):
            self.tokenized.append((place, Sequenced(key.data_labels, tokens)))
