"""Extraction strength: how much of a training document its beginning brings out word for word.

For a document of n predicted tokens it is 1 − k/n, where k, from 0 to n − 1, is the shortest beginning from which greedy decoding
writes all the rest, or else n − 1 (Carlini et al., arXiv 2012.07805; as a measure of unlearning, Wang et al., arXiv 2406.13356).
Greedy decoding writes the rest exactly where every token of it is the likeliest given the true ones before, so one forward pass is
enough. *Exact memorization* is the share of all n tokens that are the likeliest (Tirumala et al., arXiv 2205.10770).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gradmask.lab.measures.losses import evaluating, predictions
from gradmask.lab.measures.measure import Cell, Inputs, Line, Measure, Strict


class Extraction(Strict):
    """Extraction strength on forget documents of the training set: mean, standard error, and that of the worst one.

    ``memorized``: exact memorization, the mean over documents.
    """

    strength: float
    error: float | None
    largest: float
    documents: int
    memorized: float | None = None


def extraction_strengths(right: Tensor) -> Tensor:
    """Per sequence, the share of its ``n`` tokens in the right run at its end, at least 1/n; ``right`` ``[m, n]``."""
    run = right.flip(1).long().cumprod(1).sum(1).clamp(min=1)
    return run.double() / right.shape[1]


def extraction(model: nn.Module, documents: Tensor, batch_size: int = 32) -> Extraction:
    """Extraction strength of a view of ``model`` on ``documents`` ``[n, length]`` that it was trained on."""
    with evaluating(model):
        hits = [(logits.argmax(1) == targets).cpu() for logits, targets in predictions(model, documents, batch_size)]
    right = torch.cat(hits).view(len(documents), -1)
    each = extraction_strengths(right)
    n = len(each)
    return Extraction(
        strength=float(each.mean()),
        error=float(each.std()) / math.sqrt(n) if n > 1 else None,
        largest=float(each.max()),
        documents=n,
        memorized=float(right.double().mean()),
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
    memorized = "" if result.memorized is None else f", right tokens {100 * result.memorized:.0f} %"
    return f"{100 * result.strength:.2f} %", f"largest {100 * result.largest:.0f} %{memorized}"
