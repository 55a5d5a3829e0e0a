"""Extraction strength: how much of a training document its beginning brings out word for word.

For a document of n tokens it is 1 − k/n, where k is the shortest beginning from which greedy decoding writes all the rest
(Carlini et al., arXiv 2012.07805; as a measure of unlearning, Wang et al., arXiv 2406.13356). Greedy decoding writes the rest
exactly where every token of it is the likeliest given the true ones before, so one forward pass is enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gradmask.lab.measures.losses import evaluating, predictions
from gradmask.lab.measures.measure import Cell, Inputs, Line, Measure, Strict


class Extraction(Strict):
    """Extraction strength on forget documents of the training set: mean, standard error, and that of the worst one."""

    strength: float
    error: float | None
    largest: float
    documents: int


def extraction_strengths(right: Tensor) -> Tensor:
    """Per sequence, the share of its ``n`` tokens in the run of right predictions at its end; ``right`` ``[m, n − 1]``."""
    run = right.flip(1).long().cumprod(1).sum(1)
    return run.double() / (right.shape[1] + 1)


def extraction(model: nn.Module, documents: Tensor, batch_size: int = 32) -> Extraction:
    """Extraction strength of a view of ``model`` on ``documents`` ``[n, length]`` that it was trained on."""
    with evaluating(model):
        right = [(logits.argmax(1) == targets).cpu() for logits, targets in predictions(model, documents, batch_size)]
    each = extraction_strengths(torch.cat(right).view(len(documents), -1))
    n = len(each)
    return Extraction(
        strength=float(each.mean()),
        error=float(each.std()) / math.sqrt(n) if n > 1 else None,
        largest=float(each.max()),
        documents=n,
    )


class ExtractionMeasure(Measure[Extraction]):
    name = "extraction"
    question = "does the beginning of a document elicit the rest?"
    source = "Carlini et al., arXiv 2012.07805; Wang et al., arXiv 2406.13356"
    quick = True
    order = 4
    uses = frozenset()
    Result = Extraction

    def run(self, model: nn.Module, inputs: Inputs) -> Extraction:
        documents = inputs.material.pool("train", "forget")[: inputs.settings.sequences]
        return extraction(model, documents, inputs.settings.batch_size)

    def numbers(self) -> dict[str, Callable[[Extraction], float]]:
        return {"extraction": lambda r: r.strength}

    def lines(self) -> list[Line[Extraction]]:
        return [Line("extraction strength", "share of a training document that its beginning brings out", _cell)]

    def tried(self, result: Extraction) -> str:
        return "extraction of training documents"


def _cell(result: Extraction) -> Cell:
    return f"{100 * result.strength:.2f} %", f"largest {100 * result.largest:.0f} %"
