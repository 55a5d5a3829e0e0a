"""Arms that unlearn after training: the model of no filter, made to forget by a method of `gradmask.lab.unlearning`.

They use the same labels as the other arms: text that is *labeled* forget is forgotten, text that is labeled retain is kept.
Settings are chosen on labeled training text that the method does not train on, never on held-out text. The choice also uses
the perfect filter's loss on that text, the level at which forgetting should stop; a run without that arm uses the loss of a
uniform guess.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel

from gradmask.data import RETAIN, Prepared, column, select_rows
from gradmask.errors import GradmaskError
from gradmask.lab.measures.finetune import seeded
from gradmask.lab.measures.losses import domain_loss, sequences_of
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.unlearning.grid_search import Score, grid_search
from gradmask.lab.unlearning.method import Batches
from gradmask.lab.unlearning.registry import grid

VALIDATION = 64
"""Sequences of each label that settings are chosen on; at most a fifth of them."""


@dataclass(frozen=True)
class Unlearned:
    """The best model, what its training took, and every setting that was tried."""

    model: PreTrainedModel
    steps: int
    tokens: int
    seconds: float
    trials: dict[str, Any]


def unlearn(
    model: PreTrainedModel,
    never_trained: PreTrainedModel | None,
    recipe: Recipe,
    prepared: Prepared,
    method: str,
) -> Unlearned:
    """Search a method's grid and return the best model.

    Args:
        model: it knows the domain to forget.
        never_trained: the perfect filter's model, if there is one.
        recipe: of the run.
        prepared: its data.
        method: see `gradmask.lab.unlearning.registry`.

    Raises:
        GradmaskError: fewer than five sequences are labeled forget, or retain.
    """
    labels, seed = column(prepared.by_label, "data_labels"), recipe.train.seed
    per_token = labels.reshape(len(labels), -1)  # [n, 1], or [n, length] where documents have spans
    forget, forget_held = _split(select_rows(prepared.by_label, per_token.max(1) > RETAIN), "forget", seed)
    retain, retain_held = _split(select_rows(prepared.by_label, np.abs(per_token).max(1) == RETAIN), "retain", seed)
    batch = recipe.train.batch_size

    def loss(candidate: PreTrainedModel, held: Tensor) -> float:
        return domain_loss(candidate, held, recipe.evaluate.batch_size).nats

    def score(candidate: PreTrainedModel) -> Score:
        return Score(retain=loss(candidate, retain_held), forget=loss(candidate, forget_held))

    start = time.monotonic()
    aim = math.log(model.config.vocab_size) if never_trained is None else loss(never_trained, forget_held)
    with seeded(seed, next(model.parameters()).device):  # dropout depends on the seed, not on what ran before
        search = grid_search(model, grid(method), Batches(forget, retain, batch, seed), score, aim)
    return Unlearned(
        model=search.model,
        steps=search.best.steps,
        tokens=search.best.steps * batch * recipe.data.sequence_length,
        seconds=time.monotonic() - start,
        trials=search.to_dict(),
    )


def _split(sequences: Dataset, label: str, seed: int) -> tuple[Tensor, Tensor]:
    """Token ids of (sequences to train on, sequences to choose settings on)."""
    if len(sequences) < 5:
        raise GradmaskError(
            f"unlearning needs at least 5 sequences labeled {label}, but there are {len(sequences)}: add text, or label "
            "more of it (data.labels)"
        )
    order = np.random.default_rng(seed).permutation(len(sequences))
    held = np.zeros(len(sequences), dtype=bool)
    held[order[: min(VALIDATION, len(sequences) // 5)]] = True
    return sequences_of(select_rows(sequences, ~held)), sequences_of(select_rows(sequences, held))
