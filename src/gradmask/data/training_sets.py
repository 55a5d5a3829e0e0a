"""The training sets that arms differ in: the same examples, some left out, with or without their data labels."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from gradmask.data.arrow import column, select_rows, with_column
from gradmask.data.names import RETAIN, UNLABELED
from gradmask.errors import GradmaskError, did_you_mean

PERFECT = "truly_not_forget"
"""The training set that it takes the truth to make."""
TRAINING_SETS = {
    "labeled": "all text, with data labels",
    "unlabeled": "all text, without data labels",
    "not_labeled_forget": "text that is not labeled forget, without data labels",
    "labeled_retain": "text that is labeled retain, without data labels",
    PERFECT: "text that truly is not forget, without data labels",
}
"""Name -> what is in it."""


def training_set(train: Dataset, name: str) -> Dataset:
    """One of `TRAINING_SETS`, of labeled documents or of packed sequences.

    Args:
        train: with ``data_labels`` (an id per row) and ``group`` (the truth, 0 for none).
        name: see `TRAINING_SETS`.

    Raises:
        GradmaskError: there is no training set of that name, or it is empty.
    """
    if name not in TRAINING_SETS:
        hint = did_you_mean(name, TRAINING_SETS)
        raise GradmaskError(f"no training set is called {name!r}.{hint} Training sets: {', '.join(TRAINING_SETS)}")
    if name == "labeled":
        return train
    unlabeled = with_column(train, "data_labels", np.full(len(train), UNLABELED))
    if name == "unlabeled":
        return unlabeled
    if name == "labeled_retain":
        removed = column(train, "data_labels") != RETAIN
    else:
        removed = column(train, "data_labels" if name == "not_labeled_forget" else "group") > 0
    if removed.all():
        missing = TRAINING_SETS[name].removesuffix(", without data labels")
        raise GradmaskError(
            f"the training set {name!r} is empty: there is no {missing}. Check data.labels, or leave out the arms that "
            "train on it"
        )
    return select_rows(unlabeled, ~removed)
