"""The ``gradmask`` command, with fewer steps where it trains and less where it measures."""

from __future__ import annotations

import sys

from gradmask.cli import main

SMALL = (
    "train.steps=8", "train.warmup=2", "train.eval_every=4", "train.checkpoint_every=8", "evaluate.sequences=4", "evaluate.during=4",
    "evaluate.calibration_steps=2", "evaluate.samples=1", "evaluate.sample_tokens=4",
)  # fmt: skip

if __name__ == "__main__":
    words = sys.argv[1:]
    if words[0] in ("demo", "train"):
        words += [word for change in SMALL for word in ("--set", change)]
    sys.exit(main(words))
