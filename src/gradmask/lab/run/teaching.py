"""In a consolidation that distils: what the removed model's passes over retain text cost."""

from __future__ import annotations

from typing import Any

from gradmask.data import Prepared
from gradmask.lab.recipe.settings.rules import FORWARD
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.examples import consolidation_examples, taught_share
from gradmask.lab.run.streamed import closing_stream

LOOK = 1000
"""Sequences of a stream that stand for all of it."""


def taught_tokens(recipe: Recipe, prepared: Prepared, name: str, steps: int) -> int:
    """Their compute in so many steps, in tokens of training; of a stream, as its first sequences have it."""
    phase = recipe.train.consolidation
    if phase is None or not phase.distillation:
        return 0
    examples = consolidation_examples(recipe, prepared, name, steps)
    with closing_stream(examples):
        labels = examples["data_labels"][:] if recipe.data.stream is None else _first(examples)
    return round(FORWARD * taught_share(labels) * len(examples) * recipe.data.sequence_length)


def _first(examples: Any) -> list[Any]:
    return [examples[i]["data_labels"] for i in range(min(LOOK, len(examples)))]
