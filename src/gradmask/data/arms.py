"""The training sets of the arms: the same examples, seen with other labels."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from gradmask.data.arrow import column, select_rows, with_column
from gradmask.data.labeling import RETAIN, UNLABELED
from gradmask.errors import GradmaskError, did_you_mean

ARMS = {
    "gradmask": "everything, with the labels",
    "no_filter": "everything, without labels",
    "filter": "what is not labeled forget, without labels",
    "filter_strict": "what is labeled retain, without labels",
    "perfect_filter": "what truly is not forget, without labels",
}


def arm_dataset(train: Dataset, name: str) -> Dataset:
    """What an arm trains on, out of labeled documents or of packed sequences.

    Args:
        train: with ``data_labels`` (an id per row) and ``group`` (the truth, 0 for none).
        name: see `ARMS`.

    Raises:
        GradmaskError: an unknown arm, or one with nothing left to train on.
    """
    if name not in ARMS:
        raise GradmaskError(f"unknown arm {name!r}.{did_you_mean(name, ARMS)} Arms: {', '.join(ARMS)}")
    if name == "gradmask":
        return train
    unlabeled = with_column(train, "data_labels", np.full(len(train), UNLABELED))
    if name == "no_filter":
        return unlabeled
    if name == "filter_strict":
        removed = column(train, "data_labels") != RETAIN
    else:
        removed = column(train, "data_labels" if name == "filter" else "group") > 0
    if removed.all():
        raise GradmaskError(f"the arm {name!r} has no training data left: {ARMS[name]}")
    return select_rows(unlabeled, ~removed)
