"""Given labels that are probably wrong (cleanlab)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Suspicious:
    """A label that held-out scores contradict.

    Attributes:
        row: the example's index among those given.
        id: its name.
        group: whose label it is.
        given: whether the example was given as the group's.
        score: the held-out probability of the given label, low for a wrong one.
    """

    row: int
    id: str
    group: str
    given: bool
    score: float


def find_suspicious(probabilities: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Indices of labels that are probably wrong, most suspicious first (confident learning, Northcutt et al. 2021).

    Args:
        probabilities: held-out probabilities of the group ``[examples]``, calibrated at the examples' own share of positives.
        target: 1 or 0 ``[examples]``.
    """
    from cleanlab.filter import find_label_issues

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return find_label_issues(
            labels=target.astype(int),
            pred_probs=np.stack([1 - probabilities, probabilities], axis=1),
            filter_by="both",
            return_indices_ranked_by="self_confidence",
            n_jobs=1,
        )
