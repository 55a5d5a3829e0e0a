"""A run that takes a second: invented words of two languages, a model of two small layers, six steps."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.display import Display

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


def tiny_data(folder: Path) -> dict[str, Any]:
    """A recipe as plain data, running in ``folder``."""
    return {
        "name": "tiny",
        "output": str(folder / "run"),
        "data": {
            "sources": [{"kind": "jsonl", "path": str(write_corpus(folder / "corpus.jsonl"))}],
            "labels": {"forget": {"forget": ["es"]}, "retain_labeled": 0.5, "undiscovered": 0.2},
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
        "partition": {"groups": {"forget": {"heads": 1, "neurons": 8, "embeddings": True}}},
        "train": {"steps": 6, "batch_size": 8, "warmup": 2, "log_every": 2, "eval_every": 2, "keep": 9},
        "evaluate": {"sequences": 4, "during": 2, "calibration_steps": 5, "samples": 1, "sample_tokens": 4},
    }


def tiny_recipe(folder: Path, *changes: str) -> Recipe:
    """A checked recipe for a tiny run in ``folder``."""
    return make_recipe(tiny_data(folder), changes=changes, trial=False)


class Doing(Display):
    """Does something after a step, as a signal or a fault would; keeps the messages."""

    def __init__(self, at: int = -1, action: Any = None) -> None:
        self.at, self.action = at, action
        self.messages: list[str] = []
        self.steps: list[int] = []

    def step(self, step: int) -> None:
        self.steps.append(step)
        if step == self.at:
            self.action()

    def message(self, text: str) -> None:
        self.messages.append(text)
