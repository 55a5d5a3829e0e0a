"""The order of training examples: a function of the seed alone, so that a run can go on at any step.

The order of a run is given to a trainer as a dataset, ``dataset.select(training_order(...))``, that is read from front to
back: whatever a trainer does to go on after step ``s``, skipping ``s`` batches is right. The batch of a step is the same
however long the run is, and on any number of ranks that share it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from gradmask.errors import GradmaskError


def training_order(
    labels: ArrayLike,
    steps: int,
    batch_size: int,
    seed: int = 0,
    mix: Literal["mixed", "homogeneous"] = "mixed",
    labeled_first: int = 0,
) -> np.ndarray:
    """Indices ``[steps * batch_size]`` of the examples, batch after batch, epoch after epoch.

    ``mixed``: every epoch is one shuffle of all examples, the same whatever their labels are, so that runs which differ in
    labels only see the same batches; within a batch they are sorted by label, so that a routed layer takes the tokens of a
    label as one slice. ``homogeneous``: each batch holds one label; labels come as often as their share of the examples says.

    ``labeled_first``: the unlabeled examples of the first so many batches change places with labeled ones from later in the
    first epoch (or in the run, where that is shorter), drawn at random. The run sees the same examples, the labeled ones
    sooner; where the labeled ones do not suffice, unlabeled ones stay. The order then belongs to runs of one length.

    Args:
        labels: data labels ``[examples]``; with labels per token, ``[examples, sequence]``, batches are not sorted.
        steps: batches.
        batch_size: examples in each.
        seed: of the shuffles.
        mix: see above.
        labeled_first: batches that hold labeled examples alone.

    Raises:
        GradmaskError: no examples; one label per batch, or labeled examples first, where labels are per token.
    """
    known = np.asarray(labels)
    if not len(known):
        raise GradmaskError("there are no training examples to put in order")
    if mix == "homogeneous":
        if known.ndim > 1:
            raise GradmaskError("batches of one label need one label per example, got labels per token: use mix: mixed")
        return _homogeneous(known, steps, batch_size, seed)
    order = _epochs(np.arange(len(known)), steps * batch_size, seed, 0)
    if known.ndim > 1:
        if labeled_first:
            raise GradmaskError(
                "labeled examples come first where there is one label per example, got labels per token"
            )
        return order
    order = _labeled_first(order, known, labeled_first * batch_size, seed).reshape(steps, batch_size)
    ranks = np.argsort(known[order], axis=1, kind="stable")
    return np.take_along_axis(order, ranks, axis=1).reshape(-1)


def _labeled_first(order: np.ndarray, labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """``order`` with labeled examples in its first ``count`` places, as far as the first epoch has them."""
    there = labels[order[: len(labels)]] >= 0
    early, late = np.flatnonzero(~there[:count]), count + np.flatnonzero(there[count:])
    late = np.random.default_rng([seed, 1]).permutation(late)[: len(early)]
    early, order = early[: len(late)], order.copy()
    order[early], order[late] = order[late], order[early]
    return order


def _epochs(items: np.ndarray, count: int, seed: int, stream: int) -> np.ndarray:
    """``count`` items, shuffled anew in every pass over them."""
    passes = -(-count // len(items))
    shuffled = [np.random.default_rng([seed, stream, epoch]).permutation(items) for epoch in range(passes)]
    return np.concatenate(shuffled)[:count] if shuffled else items[:0]


def _homogeneous(labels: np.ndarray, steps: int, batch_size: int, seed: int) -> np.ndarray:
    kinds, counts = np.unique(labels, return_counts=True)
    drawn = np.random.default_rng([seed, 1]).choice(len(kinds), size=steps, p=counts / counts.sum())
    order = np.empty((steps, batch_size), dtype=np.int64)
    for i, kind in enumerate(kinds):
        rows = drawn == i
        items = np.flatnonzero(labels == kind)
        order[rows] = _epochs(items, int(rows.sum()) * batch_size, seed, 2 + i).reshape(-1, batch_size)
    return order.reshape(-1)
