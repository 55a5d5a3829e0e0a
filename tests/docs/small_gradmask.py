"""The ``gradmask`` command, with fewer and smaller steps where it trains, and without measures that train."""

from __future__ import annotations

import sys

from gradmask.cli import main

SMALL = (
    "train.steps=8", "train.warmup=2", "train.eval_every=4", "train.checkpoint_every=8", "train.batch_size=4",
    "model.config.num_hidden_layers=2", "evaluate.sequences=4", "evaluate.during=4", "evaluate.calibration_steps=2",
    "evaluate.samples=1", "evaluate.sample_tokens=4", "evaluate.measures=[]",
)  # fmt: skip
STORIES = ("data.sources.0.megabytes=0.1", "data.sources.0.megabytes_test=0.05", "data.tokenizer.vocab_size=512")


def changes(words: list[str]) -> tuple[str, ...]:
    """What is changed in the recipe of a command."""
    if words[0] not in ("demo", "train"):
        return ()
    return (*SMALL, *STORIES) if "demo" in words else SMALL


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(main([*words, *(word for change in changes(words) for word in ("--set", change))]))
