"""The arms that unlearn after training: the no-filter model, made to forget by a method of `gradmask.lab.unlearning`.

They know what the other arms know: text that is *labeled* forget is forgotten, text that is labeled retain is kept. Settings are
chosen on labeled training text that the method itself does not see, never on held-out text. They are told one thing more: the
loss of the perfect filter on that text, which is where forgetting should end. Where that arm is not trained, it is the loss
of a uniform guess.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel

from gradmask.data import RETAIN, Prepared, column, select_rows
from gradmask.errors import GradmaskError
from gradmask.lab.measures.attacks.finetune import own_luck
from gradmask.lab.measures.losses import domain_loss, sequences_of
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.unlearning.grids import grid
from gradmask.lab.unlearning.method import Batches
from gradmask.lab.unlearning.tuning import Score, tuned

VALIDATION = 64
"""Sequences of each kind that settings are chosen on, at most; never more than a fifth."""


@dataclass(frozen=True)
class Unlearned:
    """The chosen model, what its unlearning took, and every setting that was tried."""

    model: PreTrainedModel
    steps: int
    tokens: int
    seconds: float
    trials: dict[str, Any]


def unlearned(
    model: PreTrainedModel,
    twin: PreTrainedModel | None,
    recipe: Recipe,
    prepared: Prepared,
    method: str,
    tell: Callable[[str], None],
) -> Unlearned:
    """Tune a method over its grid and take the best model.

    Args:
        model: it knows what it is to forget.
        twin: the perfect filter, where there is one.
        recipe: of the run.
        prepared: its data.
        method: see `gradmask.lab.unlearning.grids.GRIDS`.
        tell: told what is tried.

    Raises:
        GradmaskError: fewer than five sequences are labeled forget, or retain.
    """
    labels, seed = column(prepared.train, "data_labels"), recipe.train.seed
    forget, forget_held = _split(select_rows(prepared.train, labels > RETAIN), "forget", seed)
    retain, retain_held = _split(select_rows(prepared.train, labels == RETAIN), "retain", seed)
    batch = recipe.train.batch_size

    def loss(candidate: PreTrainedModel, held: Tensor) -> float:
        return domain_loss(candidate, held, recipe.evaluate.batch_size).nats

    def score(candidate: PreTrainedModel) -> Score:
        return Score(retain=loss(candidate, retain_held), forget=loss(candidate, forget_held))

    began = time.monotonic()
    ignorance = math.log(model.config.vocab_size) if twin is None else loss(twin, forget_held)
    with own_luck(seed, next(model.parameters()).device):  # dropout depends on the seed, not on what ran before
        found = tuned(model, grid(method), Batches(forget, retain, batch, seed), score, ignorance, tell)
    return Unlearned(
        model=found.model,
        steps=found.chosen.steps,
        tokens=found.chosen.steps * batch * recipe.data.sequence_length,
        seconds=time.monotonic() - began,
        trials=found.to_dict(),
    )


def _split(sequences: Dataset, label: str, seed: int) -> tuple[Tensor, Tensor]:
    """(what the method trains on, what its settings are chosen on)."""
    if len(sequences) < 5:
        raise GradmaskError(
            f"unlearning needs at least 5 sequences that are labeled {label}, there are {len(sequences)}: give more "
            "text, or label more of it (data.labels)"
        )
    order = np.random.default_rng(seed).permutation(len(sequences))
    held = np.zeros(len(sequences), dtype=bool)
    held[order[: min(VALIDATION, len(sequences) // 5)]] = True
    return sequences_of(select_rows(sequences, ~held)), sequences_of(select_rows(sequences, held))
