"""A run that takes a second: invented words of two languages, a model of two small layers, six steps."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradmask.lab.progress import Progress, messages_to, showing
from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.driver import train
from gradmask.lab.unlearning.registry import grid

WORDS = {"en": "the dog ran home and saw a red tree", "es": "el gato corre a casa y ve un árbol rojo"}


def write_corpus(path: Path, documents: int = 24) -> Path:
    """A JSONL file with as many documents per domain and split."""
    luck = random.Random(0)
    rows = [
        {"text": " ".join(luck.choices(words.split(), k=60)), "domain": domain, "split": split}
        for domain, words in WORDS.items()
        for split in ("train", "test")
        for _ in range(documents)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


OFF = {"rehearsal": None, "rehearsal_target": "next_token", "distinctive_words": None}
"""What would be chosen from the data otherwise."""


def tiny_data(folder: Path) -> dict[str, Any]:
    """A recipe as plain data, running in ``folder``, in which nothing is left to the rules."""
    return {
        "name": "tiny",
        "output": str(folder / "run"),
        "data": {
            "sources": [{"kind": "jsonl", "path": str(write_corpus(folder / "corpus.jsonl"))}],
            "labels": {"forget": {"forget": ["es"]}},
            "simulate": {"retain_labeled": 0.5, "undiscovered": 0.2},
            "tokenizer": {"vocab_size": 280},
            "sequence_length": 16,
        },
        "model": {
            "config": {
                "model_type": "llama",
                "hidden_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 4,
                "intermediate_size": 24,
                "max_position_embeddings": 16,
                "attention_dropout": 0.1,
            }
        },
        "partition": {
            "groups": {"forget": {"heads": 1, "neurons": 8, "embeddings": True}},
            "self_labeling": {"after": 60},
            **OFF,
        },
        "train": {
            "steps": 6,
            "batch_size": 8,
            "warmup": 2,
            "log_every": 2,
            "eval_every": 2,
            "keep": 9,
            "consolidation": None,
            "group_learning_rates": {},
        },
        "evaluate": {"sequences": 4, "during": 2, "calibration_steps": 5, "samples": 1, "sample_tokens": 4},
    }


def tiny_recipe(folder: Path, *changes: str) -> Recipe:
    """A checked recipe for a tiny run in ``folder``."""
    return make_recipe(tiny_data(folder), changes=changes, trial=False)


@contextmanager
def short_unlearning() -> Iterator[None]:
    """Within: an unlearning method tries two settings of its grid, for four steps each; tests/lab/unlearning tries them all."""

    def short(name: str) -> list[Any]:
        return [replace(method, steps=4) for method in grid(name)[:2]]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gradmask.lab.run.unlearning.grid", short)
        yield


class Doing(Progress):
    """Does something after a step, as a signal or a fault would; keeps the steps and what was said."""

    def __init__(self, at: int = -1, action: Any = None) -> None:
        self.at, self.action = at, action
        self.messages: list[str] = []
        self.statuses: list[str] = []
        self.steps: list[int] = []

    def status(self, text: str) -> None:
        self.statuses.append(text)

    def step(self, done: int, fields: Mapping[str, str] | None = None) -> None:
        if self.steps[-1:] == [done]:
            return
        self.steps.append(done)
        if done == self.at:
            self.action()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within: steps, statuses and messages come here."""
        with messages_to(Keeper(self.messages)), showing(self):
            yield

    def train(self, recipe: Recipe, **how: Any) -> None:
        """Train, watched."""
        with self.watching():
            train(recipe, **how)


class Keeper(logging.Handler):
    """Keeps messages in a list."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__()
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
