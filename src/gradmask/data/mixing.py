"""The order of training examples: a function of the seed, so that a run can resume at any step.

A trainer receives the order as a dataset, ``dataset.select(training_order(...))``, and reads it from front to back. To resume
after step ``s``, it skips ``s`` batches. The batch of a step does not depend on the length of the run or the number of ranks.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from gradmask.data.names import RETAIN
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

    ``mixed``: every epoch is one shuffle of all examples that does not depend on the labels, so that runs that differ only in
    labels see the same batches. Within a batch, retain examples come first, then unlabeled ones, then those of groups.
    ``homogeneous``: each batch holds one label, drawn with the label's frequency among the examples.

    ``labeled_first``: the unlabeled examples of that many first batches are swapped with randomly drawn ones labeled retain from
    later in the first epoch (or in the run, if it is shorter); with labels per token, an example is labeled retain if all its
    tokens are. The run sees the same examples, those earlier. The examples of groups keep their places: where little else is
    labeled, most of them would come at the very beginning otherwise, and the groups forget them. If there are too few labeled
    retain, unlabeled ones stay. The order then depends on the length of the run.

    Args:
        labels: data labels ``[examples]``; with labels per token, ``[examples, sequence]``, batches are not sorted.
        steps: number of batches.
        batch_size: examples in each.
        seed: of the shuffles.
        mix: see above.
        labeled_first: number of first batches that hold no unlabeled examples, as far as others can take their places.

    Raises:
        GradmaskError: no examples; labels per token together with ``homogeneous``.
    """
    label_of = np.asarray(labels)
    if not len(label_of):
        raise GradmaskError("there are no training examples to put in order")
    if mix == "homogeneous":
        if label_of.ndim > 1:
            raise GradmaskError("batches of one label need one label per example, got labels per token: use mix: mixed")
        return _homogeneous(label_of, steps, batch_size, seed)
    order = epochs(np.arange(len(label_of)), steps * batch_size, seed, 0)
    if label_of.ndim > 1:
        return (
            _labeled_first(order, _of_examples(label_of), labeled_first * batch_size, seed) if labeled_first else order
        )
    order = _labeled_first(order, label_of, labeled_first * batch_size, seed).reshape(steps, batch_size)
    ranks = np.argsort(neighbours(label_of)[order], axis=1, kind="stable")
    return np.take_along_axis(order, ranks, axis=1).reshape(-1)


def with_group_share(labels: ArrayLike, share: float) -> np.ndarray:
    """Positions of all examples, those with a group's label as often as makes them a share of all, but at least once.

    Args:
        labels: data labels ``[examples]`` or ``[examples, sequence]``.
        share: below 1.
    """
    label_of = np.asarray(labels)
    groups = np.flatnonzero(label_of.reshape(len(label_of), -1).max(1) > RETAIN)
    wanted = round(share / (1 - share) * (len(label_of) - len(groups)))
    drawn = np.random.default_rng(0).permutation(groups)
    again = np.resize(drawn, max(0, wanted - len(groups))) if len(groups) else groups
    return np.concatenate([np.arange(len(label_of)), again])


def neighbours(labels: ArrayLike) -> np.ndarray:
    """What examples of a batch are sorted by: retain, unlabeled, and the groups one after the other.

    What retain learns from and what a group learns from are then neighbours in memory each, with one group: routed layers take
    them as a view, without a copy.
    """
    return np.where(np.less(labels, 0), 0.5, labels)


def _of_examples(labels: np.ndarray) -> np.ndarray:
    """One label for each example ``[examples, sequence]``: unlabeled where a token is, or else the highest of its tokens'."""
    lowest = labels.min(1)
    return np.where(lowest < 0, lowest, labels.max(1))


def _labeled_first(order: np.ndarray, labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """``order`` with retain examples in its first ``count`` places instead of unlabeled ones, as far as the epoch has them."""
    first = labels[order[: len(labels)]]
    early, late = np.flatnonzero(first[:count] < 0), count + np.flatnonzero(first[count:] == RETAIN)
    late = np.random.default_rng([seed, 1]).permutation(late)[: len(early)]
    early, order = early[: len(late)], order.copy()
    order[early], order[late] = order[late], order[early]
    return order


def epochs(items: np.ndarray, count: int, seed: int, stream: int) -> np.ndarray:
    """``count`` items; each pass over them has its own shuffle, so a pass can be drawn without the ones before it."""
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
        order[rows] = epochs(items, int(rows.sum()) * batch_size, seed, 2 + i).reshape(-1, batch_size)
    return order.reshape(-1)
