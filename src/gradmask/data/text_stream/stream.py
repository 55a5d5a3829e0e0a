"""The examples of a run, by position, made of text as it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from gradmask.data.mixing import neighbours
from gradmask.data.names import UNLABELED
from gradmask.data.reading import Maker, SourceCounts, renderer
from gradmask.data.spec import DataSpec
from gradmask.data.text_stream.labels import Labeler
from gradmask.data.text_stream.lane import Lane, LaneState, Making, Sequenced
from gradmask.data.text_stream.lanes import divided, lane_count
from gradmask.data.text_stream.reader import Readable
from gradmask.data.text_stream.shards import TextShard, documents_of, shards_of
from gradmask.data.text_stream.spec import StreamSpec
from gradmask.data.text_stream.states import load_states, save_states
from gradmask.data.token_spans import position_labels, require_offsets
from gradmask.data.tokenizer import chat_tokenizer
from gradmask.data.words import WordLabels
from gradmask.errors import GradmaskError

HANDS = 16
"""Files that are read side by side, over all lanes, where there are fewer lanes."""


class TextStream(Dataset):
    """The training examples of a run, by position, read from front to back.

    A process that takes a fixed part of every batch reads only the files of its own lanes. A position far from the last one is
    found by reading from the last state that is known (`load`), or from the beginning.

    Args:
        spec: of the data; ``spec.stream`` says how it is streamed.
        tokenizer: of the run.
        steps: optimizer steps.
        batch_size: sequences of a step, of all processes together.
        accumulation: parts that a batch is trained on in; the processes divide each of them among themselves.
        training_set: a name in `gradmask.data.TRAINING_SETS`.
        seed: of the order.
        words: what gives the labels of words within labeled documents, if anything does.
        excluded: hashes of held-out texts, copies of which are not trained on.
        labeled_first: steps in which unlabeled text is passed over.

    Raises:
        GradmaskError: see `shards_of` and `lane_count`. While reading: a file that is damaged or gone, a label that means nothing.
    """

    def __init__(
        self,
        spec: DataSpec,
        tokenizer: Any,
        steps: int,
        batch_size: int,
        accumulation: int = 1,
        training_set: str = "labeled",
        seed: int = 0,
        words: WordLabels | None = None,
        excluded: Collection[str] = (),
        labeled_first: int = 0,
    ) -> None:
        own = spec.stream or StreamSpec()
        self.steps, self.batch_size, self.seed, self.words = steps, batch_size, seed, words
        self.hidden = training_set != "labeled"
        self.places = batch_size // accumulation
        self.shards = shards_of(spec.sources)
        sizes = [shard.size for shard in self.shards]
        self.lanes = lane_count(sizes, self.places, own.lanes)
        self.width = self.places // self.lanes
        """Places of a lane in what is trained on at a time."""
        self.block = self.width * max(1, -(-own.shuffle // self.places))
        self.labeled = -(-labeled_first * accumulation * self.width // self.block)
        self.kept_states = accumulation + 3  # the trainer reads a step, and a part of the next one, ahead
        self._files = divided(sizes, self.lanes)
        self._making = Making(tokenizer, spec.sequence_length, _per_token(spec, tokenizer), training_set)
        self._labeler = Labeler(spec, training_set, excluded)
        self._makers = _makers(spec)
        self._lanes: dict[int, Lane] = {}
        self._blocks: dict[int, tuple[int, list[Sequenced]]] = {}
        self._states: dict[int, dict[int, LaneState]] = {}
        self._loaded: dict[int, LaneState] = {}

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        part, place = divmod(index, self.places)
        lane, of_lane = place // self.width, part * self.width + place % self.width
        block = self._block(lane, of_lane // self.block)
        return self._example(block[of_lane % self.block])

    def require_shares(self, processes: int) -> None:
        """Refuse processes among which the lanes cannot be divided: two would read the same files.

        Raises:
            GradmaskError: see above.
        """
        if self.lanes % processes:
            raise GradmaskError(
                f"the stream has {self.lanes} lanes (of {len(self.shards)} files), which {processes} processes cannot divide among "
                f"them: split the text into at least {processes} files of about the same size and take a train.batch_size that is "
                "a multiple of the processes, or set data.stream.lanes to a multiple of them"
            )

    def about(self) -> dict[str, Any]:
        """What the states of a checkpoint belong to."""
        named = json.dumps([[Path(shard.path).name, shard.size] for shard in self.shards])
        return {
            "files": hashlib.sha256(named.encode()).hexdigest()[:16],
            "lanes": self.lanes,
            "block": self.block,
            "places": self.places,
            "seed": self.seed,
        }

    def save(self, folder: Path, step: int, process: int = 0) -> None:
        """Write to a checkpoint made after so many steps where this process's lanes are."""
        index = step * self.batch_size // self.lanes
        block = index // self.block
        states = {lane: state for lane, state in self._loaded.items() if state.block == block}
        states |= {lane: known[block] for lane, known in self._states.items() if block in known}
        save_states(folder, process, self.about(), states)

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint, whatever the number of processes that wrote it.

        Raises:
            GradmaskError: it was made with other files, lanes or batches.
        """
        self._loaded = load_states(folder, self.about())
        self._lanes, self._blocks, self._states = {}, {}, {}

    def close(self) -> None:
        """Close all files. A position that is asked for later opens them again."""
        for lane in self._lanes.values():
            lane.close()
        self._lanes, self._blocks = {}, {}

    def _block(self, lane: int, number: int) -> list[Sequenced]:
        held = self._blocks.get(lane)
        if held is None or held[0] != number:
            held = self._blocks[lane] = (number, self._read(lane, number))
        return held[1]

    def _read(self, lane: int, number: int) -> list[Sequenced]:
        own = self._lanes.get(lane)
        if own is None or own.next > number:
            if own is not None:
                own.close()
            own = self._lanes[lane] = self._lane(lane, number)
            self._states[lane] = {own.next: own.state}
        while True:
            block = own.give()
            known = self._states[lane]
            known[own.next] = own.state
            known.pop(own.next - self.kept_states, None)
            if own.next > number:
                return _in_runs(block, self.width)

    def _lane(self, lane: int, number: int) -> Lane:
        """The lane at the latest state before a block that is known."""
        loaded = self._loaded.get(lane)
        state = loaded if loaded is not None and loaded.block <= number else None
        files = [self._readable(self.shards[file]) for file in self._files[lane]]
        hands = max(1, HANDS // self.lanes)
        return Lane(lane, files, self._making, self.block, self.seed, hands, self.labeled, state)

    def _readable(self, shard: TextShard) -> Readable:
        maker, counts = self._makers[id(shard.source)]
        keep = partial(self._labeler.kept, gives_labels=shard.source.gives_labels)
        return Readable(shard.path, shard.size, partial(documents_of, shard, maker, counts), keep)

    def _example(self, sequence: Sequenced) -> dict[str, Any]:
        rows, label = sequence.rows, UNLABELED if self.hidden else sequence.label
        example: dict[str, Any] = {"input_ids": rows[0], "data_labels": np.int64(label)}
        for name, values in zip(self._making.per_token, rows[1:], strict=True):
            if name == "loss_mask":
                example[name] = values > 0
            elif not self.hidden:
                example[name] = position_labels(values)
        if self.words is not None and not self.hidden:
            example["data_labels"] = self.words.of(rows[0], label)
        return example


def _per_token(spec: DataSpec, tokenizer: Any) -> list[str]:
    """Which of `PER_TOKEN` the sources ask for."""
    spans = any(source.spans_field for source in spec.sources)
    answers = any(source.messages_field or source.question_field for source in spec.sources)
    asked = [*(["data_labels"] if spans else []), *(["loss_mask"] if answers else [])]
    if asked:
        require_offsets(tokenizer)
    return asked


def _makers(spec: DataSpec) -> dict[int, tuple[Maker, SourceCounts]]:
    """What makes documents of each source, by the source."""
    chat = chat_tokenizer(spec)
    return {id(source): (Maker(source, renderer(source, chat)), SourceCounts(source.name)) for source in spec.sources}


def _in_runs(block: list[Sequenced], width: int) -> list[Sequenced]:
    """Those that are trained on at a time, sorted by label: routed layers take neighbours as a view."""
    runs = (sorted(block[i : i + width], key=lambda one: neighbours(one.label)) for i in range(0, len(block), width))
    return [one for run in runs for one in run]
