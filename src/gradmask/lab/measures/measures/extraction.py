"""Extraction strength: how much of a training document its beginning brings out word for word.

For a document of n tokens it is 1 − k/n, where k is the shortest beginning from which greedy decoding writes all the rest
(Carlini et al., arXiv 2012.07805; as a measure of unlearning, Wang et al., arXiv 2406.13356). Greedy decoding writes the rest
exactly where every token of it is the likeliest given the true ones before, so one forward pass is enough.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gradmask.lab.measures.findings import Extraction
from gradmask.lab.measures.losses import evaluating, predictions


def strengths(right: Tensor) -> Tensor:
    """Per sequence, the share of its ``n`` tokens in the run of right predictions at its end; ``right`` ``[m, n − 1]``."""
    run = right.flip(1).long().cumprod(1).sum(1)
    return run.double() / (right.shape[1] + 1)


def extraction(model: nn.Module, documents: Tensor, batch_size: int = 32) -> Extraction:
    """Extraction strength of a view of ``model`` on ``documents`` ``[n, length]`` that it was trained on."""
    with evaluating(model):
        right = [(logits.argmax(1) == targets).cpu() for logits, targets in predictions(model, documents, batch_size)]
    found = strengths(torch.cat(right).view(len(documents), -1))
    n = len(found)
    return Extraction(
        strength=float(found.mean()),
        error=float(found.std()) / math.sqrt(n) if n > 1 else None,
        largest=float(found.max()),
        documents=n,
    )
