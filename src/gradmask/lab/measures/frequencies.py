"""The loss of a guesser that knows nothing but how often each token occurs: what a model must beat to have learned anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradmask.data import targets_of
from gradmask.lab.measures.losses import sequences_of


def frequency_losses(train: Any, test: Mapping[str, Any], sequences: int) -> dict[str, float]:
    """Domain -> nats per token of held-out text by the frequencies in training text.

    The frequencies are those of the domain's own training text or, where they guess better, those of all of it, with one
    occurrence more of every token.

    Args:
        train: packed training sequences with ``input_ids`` and ``domain``.
        test: domain -> packed held-out sequences.
        sequences: of each domain.
    """
    targets = {domain: _targets(held_out, sequences, domain) for domain, held_out in test.items()}
    rows = np.asarray(train.with_format("numpy")["input_ids"][:])
    size = 1 + max(int(rows.max()), *(int(ids.max(initial=0)) for ids in targets.values()))
    domains, everything = np.asarray(train["domain"][:]), _nats(rows, size)
    losses = {}
    for domain, ids in targets.items():
        own = _nats(rows[domains == domain], size)
        if ids.size:
            losses[domain] = min(float(own[ids].mean()), float(everything[ids].mean()))
    return losses


def _targets(held_out: Any, sequences: int, domain: str) -> np.ndarray:
    ids = targets_of(sequences_of(held_out, sequences, name=domain)[:, 1:]).numpy()
    return ids[ids >= 0]


def _nats(rows: np.ndarray, size: int) -> np.ndarray:
    counts = np.bincount(rows.ravel(), minlength=size) + 1.0
    return -np.log(counts / counts.sum())
