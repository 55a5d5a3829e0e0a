"""A recipe whose training text is streamed: the examples of an arm, and where they were at a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from gradmask.data import UNLABELED, Prepared, TextStream, WordLabels, column
from gradmask.lab.recipe.arms import ARMS, is_routed, partition_of
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.team import here


def streamed_examples(
    recipe: Recipe, prepared: Prepared, name: str, steps: int, seed: int, labeled_first: int = 0
) -> TextStream:
    """What an arm sees in so many steps, read as it trains.

    Raises:
        GradmaskError: see `TextStream`; or the processes cannot divide its lanes among them.
    """
    train = recipe.train
    stream = TextStream(
        recipe.data,
        prepared.tokenizer,
        steps,
        train.batch_size,
        train.gradient_accumulation,
        ARMS[name].data,
        seed,
        _words(recipe, prepared, name),
        prepared.held_out,
        labeled_first,
    )
    stream.require_shares(here().world)
    return stream


def _words(recipe: Recipe, prepared: Prepared, name: str) -> WordLabels | None:
    """What labels a group's words, counted in the sample."""
    if not is_routed(name) or (ratio := (own := partition_of(recipe, name)).distinctive_words) is None:
        return None
    sample: Any = prepared.train.with_format("numpy")
    ids, labels = sample["input_ids"][:], column(prepared.train, "data_labels")
    return WordLabels(np.asarray(ids), labels, prepared.tokenizer, ratio, own.common_words)


def sample_shares(prepared: Prepared, name: str) -> dict[int, float]:
    """Data label -> its share of the tokens of an arm's text, in the sample; without the labels of words."""
    labels = np.asarray(prepared.training_set(ARMS[name].data)["data_labels"][:])
    ids, counts = np.unique(labels, return_counts=True)
    return {int(i): float(n) / labels.size for i, n in zip(ids, counts, strict=True)} or {UNLABELED: 1.0}


@contextmanager
def closing_stream(dataset: Any) -> Iterator[None]:
    """Within: the dataset is read. The files of a stream are closed then."""
    try:
        yield
    finally:
        if isinstance(dataset, TextStream):
            dataset.close()


class StreamCallback(TrainerCallback):
    """Saves where a stream is with every checkpoint.

    Args:
        stream: the arm's examples.
        folder: of its checkpoints.
    """

    def __init__(self, stream: TextStream, folder: Path) -> None:
        self.stream, self.folder = stream, folder

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.stream.save(self.folder / f"checkpoint-{state.global_step}", state.global_step, here().rank)
