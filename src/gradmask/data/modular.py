"""The order of batches of GRAM (arXiv 2607.08077), where each step has one label: exact counts, made in advance, shuffled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradmask.data.mixing import epochs
from gradmask.errors import GradmaskError

CORE = 0
"""The id of the data label retain."""


@dataclass(frozen=True)
class ModularOrder:
    """What a run sees.

    Args:
        examples: indices ``[steps * batch_size]``, batch after batch.
        labels: the label id of each batch ``[steps]``.
        together: for each batch the id of the group that learns together with retain, or 0 ``[steps]``; for
            `gradmask.draw_in_advance`, repeated for every micro-batch of a step.
    """

    examples: np.ndarray
    labels: np.ndarray
    together: np.ndarray


def modular_order(
    labels: ArrayLike,
    steps: int,
    batch_size: int,
    seed: int = 0,
    *,
    auxiliary_spread: float,
    core_robustness: float,
    oversampling: Mapping[int, float] | None = None,
) -> ModularOrder:
    """Batches of one label each, in shuffled order.

    Every label gets batches in proportion to its examples. Those of an oversampled group are repeated, and as many retain
    batches are left out. Of a group's batches, ``auxiliary_spread`` of what it would have without oversampling teach retain,
    too; from ``core_robustness`` of the retain batches a group learns, too, each group in proportion to its batches.

    Args:
        labels: label ids ``[examples]``: -1 unlabeled, 0 retain, 1, 2, … removable groups.
        steps: number of batches.
        batch_size: examples in each.
        seed: of all shuffles.
        auxiliary_spread: see above (p_as).
        core_robustness: see above (p_cr).
        oversampling: id of a group -> how often its examples are seen, compared with others (p_af); 1 by default.

    Raises:
        GradmaskError: labels per token, no examples, or oversampling that leaves no retain batches.
    """
    label_of, factors = np.asarray(labels), oversampling or {}
    if label_of.ndim != 1 or not len(label_of):
        raise GradmaskError(
            f"batches of one label need one label per example, got labels of shape {list(label_of.shape)}"
        )
    kinds, sizes = np.unique(label_of, return_counts=True)
    natural = dict(zip(kinds.tolist(), apportion(steps, sizes), strict=True))
    seen = {label: round(count * factors.get(label, 1.0)) for label, count in natural.items()}
    seen[CORE] = natural.get(CORE, 0) - sum(seen[label] - natural[label] for label in natural if label > CORE)
    if seen[CORE] < 0:
        raise GradmaskError(
            f"oversampling asks for {-seen[CORE]} more batches than the {natural.get(CORE, 0)} retain batches that it may "
            "replace: give smaller factors"
        )
    groups = [label for label in kinds.tolist() if label > CORE]
    beside = _beside(groups, [seen[group] for group in groups], round(core_robustness * seen[CORE]))
    plan = [(CORE, group) for group in beside] + [(CORE, 0)] * (seen[CORE] - len(beside))
    for label in natural.keys() - {CORE}:
        spread = round(auxiliary_spread * natural[label]) if label > CORE else 0
        plan += [(label, label)] * spread + [(label, 0)] * (seen[label] - spread)
    order = np.random.default_rng([seed, 1]).permutation(np.array(sorted(plan), dtype=np.int64).reshape(-1, 2))
    examples = np.empty((steps, batch_size), dtype=np.int64)
    for i, label in enumerate(kinds.tolist()):
        rows = order[:, 0] == label
        items = np.flatnonzero(label_of == label)
        examples[rows] = epochs(items, int(rows.sum()) * batch_size, seed, 2 + i).reshape(-1, batch_size)
    return ModularOrder(examples.reshape(-1), order[:, 0], order[:, 1])


def _beside(groups: list[int], odds: list[int], count: int) -> list[int]:
    """The groups that learn from ``count`` retain batches."""
    if not sum(odds):
        return []
    return [group for group, share in zip(groups, apportion(count, np.array(odds)), strict=True) for _ in range(share)]


def apportion(total: int, sizes: np.ndarray) -> list[int]:
    """Whole numbers in proportion to ``sizes`` that add up to ``total`` (largest remainders; of equal ones, the first)."""
    exact = total * sizes / sizes.sum()
    counts = np.floor(exact).astype(int)
    most = np.argsort(counts - exact, kind="stable")[: total - int(counts.sum())]
    counts[most] += 1
    return counts.tolist()
