"""The training sets of the arms: the same prepared sequences, seen with other labels."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from gradmask.data.labeling import UNLABELED
from gradmask.errors import GradmaskError, did_you_mean

ARMS = {
    "gradmask": "everything, with the labels",
    "no_filter": "everything, without labels",
    "filter": "what is not labeled forget, without labels",
    "perfect_filter": "what truly is not forget, without labels",
}


def arm_dataset(train: Dataset, name: str) -> Dataset:
    """The sequences that an arm trains on.

    Raises:
        GradmaskError: an unknown arm, or one with nothing left to train on.
    """
    if name not in ARMS:
        raise GradmaskError(f"unknown arm {name!r}.{did_you_mean(name, ARMS)} Arms: {', '.join(ARMS)}")
    if name == "gradmask":
        return train
    keep = np.ones(len(train), dtype=bool)
    if name == "filter":
        keep = np.array(train["data_labels"]) <= 0
    elif name == "perfect_filter":
        keep = np.array(train["role"]) != "forget"
    if not keep.any():
        raise GradmaskError(f"the arm {name!r} has no training data left: {ARMS[name]}")
    kept = train.select(np.flatnonzero(keep)).remove_columns("data_labels")
    return kept.add_column("data_labels", [UNLABELED] * len(kept))  # type: ignore[missing-attribute]
