"""What an arm trains on: how many steps, which examples in which order, with which labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradmask.data import RETAIN, Prepared, token_labels, training_order, with_column, with_group_share
from gradmask.lab.recipe.arms import ARMS, GRADMASK, is_routed, partition_of
from gradmask.lab.recipe.settings.rules import FITTING, FORWARD
from gradmask.lab.recipe.spec import ConsolidationSpec, Recipe
from gradmask.lab.run.modular import order_of, steps_at_dense_compute
from gradmask.lab.run.streamed import streamed_examples
from gradmask.lab.unlearning.registry import grid

ANOTHER = 1_000_003
"""Added to a seed for an order that no usual seed gives."""


def total_steps(recipe: Recipe, prepared: Prepared) -> int:
    """Optimizer steps of every arm; an epoch is one pass over *all* training sequences, whatever the arm leaves out."""
    train = recipe.train
    if train.steps is not None:
        return train.steps
    if train.epochs is not None:
        return math.ceil(train.epochs * len(prepared.train) / train.batch_size)
    assert train.tokens is not None
    return math.ceil(train.tokens / (train.batch_size * recipe.data.sequence_length))


def arm_steps(recipe: Recipe, prepared: Prepared, name: str) -> int:
    """Optimizer steps of an arm before a consolidation: `total_steps`, unless its budget is counted otherwise; see `Arm`."""
    steps, arm = total_steps(recipe, prepared), ARMS[name]
    if arm.budget == "dense":
        return steps_at_dense_compute(recipe, prepared, name, steps)
    if arm.budget == "text":
        return math.ceil(steps * len(prepared.training_set(arm.data)) / len(prepared.train))
    if arm.budget == "compute":
        return steps - _replaced(recipe, GRADMASK, steps) + _consolidation_compute(recipe, prepared, steps)
    return steps - _replaced(recipe, name, steps)


def consolidation_steps(recipe: Recipe, name: str, steps: int) -> int:
    """An arm's last steps, in which its removable groups alone learn; 0 for most arms. ``steps``: `total_steps`."""
    phase = _phase(recipe, name)
    if phase is None:
        return 0
    more = max(1, math.floor(phase.steps * steps + 1e-6)) if phase.steps < 1 else int(phase.steps)
    return more + _replaced(recipe, name, steps)


def _phase(recipe: Recipe, name: str) -> ConsolidationSpec | None:
    return recipe.train.consolidation if ARMS[name].own else None


def _replaced(recipe: Recipe, name: str, steps: int) -> int:
    """Steps of an arm's training whose place its consolidation takes."""
    phase = _phase(recipe, name)
    return 0 if phase is None else min(steps - 1, math.floor(phase.replaces * steps + 1e-6))


def _consolidation_compute(recipe: Recipe, prepared: Prepared, steps: int) -> int:
    """Plain steps with the compute of gradmask's consolidation, finding strengths and the removed model's passes included."""
    phase = _phase(recipe, GRADMASK)
    if phase is None:
        return 0
    more = consolidation_steps(recipe, GRADMASK, steps)
    taught = 0.0
    if phase.distillation:
        labels, rows = _consolidated(recipe, prepared.train["data_labels"][:])
        taught = taught_share(labels[rows])
    return round(more * (1.0 + FITTING / (1.0 - FITTING) * phase.fit_strength + FORWARD * taught))


def taught_share(labels: Any) -> float:
    """Share of the sequences with a token labeled retain: a consolidation that distils runs the removed model on them, whole."""
    labels = np.asarray(labels)
    return float((labels.reshape(len(labels), -1) == RETAIN).any(1).mean())


def steps_of_arms(recipe: Recipe, prepared: Prepared) -> dict[str, int]:
    """Arm -> optimizer steps in all; those of unlearning are its whole grid's."""
    steps: dict[str, int] = {}
    for name in recipe.arms:
        if ARMS[name].unlearns:
            steps[name] = sum(setting.steps for setting in grid(name))
        else:
            total = total_steps(recipe, prepared)
            steps[name] = arm_steps(recipe, prepared, name) + consolidation_steps(recipe, name, total)
    return steps


def consolidation_examples(recipe: Recipe, prepared: Prepared, name: str, steps: int) -> Any:
    """What an arm sees in so many steps of consolidation: all training text, in an order of its own.

    As it is mixed, but for sequences with a group's label, which come again where they are less than `group_share`.
    """
    if recipe.data.stream is not None:
        return streamed_examples(recipe, prepared, name, steps, recipe.train.seed + ANOTHER)
    examples, train = _examples(prepared, name), recipe.train
    labels, rows = _consolidated(recipe, examples["data_labels"][:])
    order = training_order(labels[rows], steps, train.batch_size, train.seed + ANOTHER)
    return examples.select(rows[order])


def _consolidated(recipe: Recipe, given: Any) -> tuple[np.ndarray, np.ndarray]:
    """The labels of all sequences, and which of them a consolidation's text is made of."""
    labels, phase = np.asarray(given), recipe.train.consolidation
    assert phase is not None
    return labels, with_group_share(labels, phase.group_share)


def _examples(prepared: Prepared, name: str) -> Any:
    train = prepared.training_set(ARMS[name].data)
    columns = [name for name in ("input_ids", "data_labels", "loss_mask") if name in train.column_names]
    return train.select_columns(columns).with_format("numpy")


def training_examples(recipe: Recipe, prepared: Prepared, name: str, steps: int) -> Any:
    """What an arm sees, in order: ``steps * batch_size`` sequences with ``input_ids`` and ``data_labels``.

    Labels are per example, or per token where documents have spans or the arm tells a group's words apart; see
    `gradmask.data.words`. Where answers alone are learned, there is a ``loss_mask`` of the tokens that count.

    Returns:
        A dataset; a `TextStream` where the recipe's text is streamed.
    """
    if recipe.data.stream is not None:
        return streamed_examples(recipe, prepared, name, steps, recipe.train.seed, labeled_first(recipe, name))
    examples = _examples(prepared, name)
    train, labels = recipe.train, examples["data_labels"][:]
    modular = order_of(recipe, name, np.asarray(labels), steps)
    if modular is not None:
        return examples.select(modular.examples)
    order = training_order(labels, steps, train.batch_size, train.seed, recipe.data.mix, labeled_first(recipe, name))
    if is_routed(name) and (ratio := (own := partition_of(recipe, name)).distinctive_words) is not None:
        ids = examples["input_ids"][:]
        labels_of_tokens = token_labels(ids, labels, prepared.tokenizer, ratio, own.common_words)
        examples = with_column(examples, "data_labels", list(labels_of_tokens)).with_format("numpy")
    return examples.select(order)


def labeled_first(recipe: Recipe, name: str) -> int:
    """Steps of an arm in which unlabeled examples wait, until it can label them itself."""
    own = partition_of(recipe, name).self_labeling if is_routed(name) else None
    if own is None or not own.labeled_first or recipe.data.mix != "mixed":
        return 0
    return -(-int(own.after) // recipe.train.gradient_accumulation)
