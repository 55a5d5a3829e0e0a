"""GRAM as published in a recipe: exact counts where one step has one label, and the compute of the dense baseline.

Source: arXiv 2607.08077. See docs/compare.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gradmask as gm
from gradmask.data import ModularOrder, Prepared, modular_order
from gradmask.lab.recipe.arms import ARMS, is_routed, partition_of
from gradmask.lab.recipe.build import parameter_counts
from gradmask.lab.recipe.spec import PartitionSpec, Recipe


def order_of(recipe: Recipe, name: str, labels: np.ndarray, steps: int) -> ModularOrder | None:
    """The batches of an arm whose policy is GRAM's, with what learns together; None where coins are tossed instead.

    Coins are for labels mixed within a batch, and for what this project adds: labels of the model's own, rehearsal, labels of
    words.
    """
    if not is_routed(name) or recipe.data.mix != "homogeneous":
        return None
    partition = partition_of(recipe, name)
    if partition.policy not in gm.GRAM_SETTINGS or partition.self_labeling or partition.rehearsal:
        return None
    if partition.distinctive_words or labels.ndim > 1:
        return None
    spread, robustness = gm.GRAM_SETTINGS[partition.policy]
    return modular_order(
        labels,
        steps,
        recipe.train.batch_size,
        recipe.train.seed,
        auxiliary_spread=spread,
        core_robustness=robustness,
        oversampling=dict(enumerate(_oversampling(partition), 1)),
    )


def _oversampling(partition: PartitionSpec) -> list[float]:
    return [partition.oversampling.get(group, 1.0) for group in partition.groups]


def begin_modular(model: Any, recipe: Recipe, prepared: Prepared, name: str, steps: int) -> None:
    """Tell a model at the start of training what was drawn in advance, if anything was."""
    labels = np.asarray(prepared.training_set(ARMS[name].data)["data_labels"][:])
    order = order_of(recipe, name, labels, steps)
    if order is not None:
        gm.draw_in_advance(model, np.repeat(order.together, recipe.train.gradient_accumulation).tolist())


def steps_at_dense_compute(recipe: Recipe, prepared: Prepared, name: str, steps: int) -> int:
    """As many steps as cost what ``steps`` of the dense model cost, at 6 · parameters · tokens.

    The parameters of a group count in the share of the batches in which it runs: its own, those of unlabeled text, and the
    retain batches in which it learns together with retain.
    """
    partition = partition_of(recipe, name)
    labels = np.asarray(prepared.training_set(ARMS[name].data)["data_labels"][:])
    counts = parameter_counts(recipe, partition, prepared.tokenizer)
    share = {label: float((labels == label).mean()) for label in range(-1, len(partition.groups) + 1)}
    policy = gm.resolve_policy(partition.policy)
    own = [share[i] * times for i, times in enumerate(_oversampling(partition), 1)]
    core = share[0] - sum(more - share[i] for i, more in enumerate(own, 1))
    drawn = [policy.run_one_other * max(core, 0.0) * seen / sum(own) if sum(own) else 0.0 for seen in own]
    runs = [seen + beside + share[-1] for seen, beside in zip(own, drawn, strict=True)]
    added = sum(counts[group] * often for group, often in zip(partition.groups, runs, strict=True))
    dense = counts["retain"] + counts["joint"]
    return max(1, round(steps * dense / (dense + added)))
