"""Held-out loss per domain, and how it is spread over tokens."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradmask.errors import GradmaskError


@dataclass(frozen=True)
class Loss:
    """Mean next-token loss in nats, its standard error over sequences, and how many tokens it is of."""

    nats: float
    error: float
    tokens: int

    @property
    def perplexity(self) -> float:
        return math.exp(min(self.nats, 700.0))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, without gradients; the mode is put back afterwards."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def batches(sequences: Tensor, batch_size: int) -> Iterator[Tensor]:
    """``[n, length]`` in pieces of ``batch_size``."""
    yield from sequences.split(batch_size)


def sequences_of(dataset: Any, limit: int | None = None, start: int = 0) -> Tensor:
    """Token ids ``[n, length]`` of a packed `datasets.Dataset`.

    Raises:
        GradmaskError: there is none.
    """
    stop = len(dataset) if limit is None else min(len(dataset), start + limit)
    if stop <= start:
        raise GradmaskError(f"no held-out sequences: the set has {len(dataset)}, and {start} are used elsewhere")
    return torch.as_tensor(np.asarray(dataset[start:stop]["input_ids"]), dtype=torch.long)


def token_losses(model: nn.Module, sequences: Tensor, batch_size: int = 32) -> Tensor:
    """The loss of every predicted token, in nats ``[n, length − 1]``."""
    device = next(model.parameters()).device
    found = []
    with evaluating(model):
        for batch in batches(sequences, batch_size):
            batch = batch.to(device)
            logits = model(input_ids=batch, use_cache=False).logits[:, :-1].float()
            found.append(F.cross_entropy(logits.transpose(1, 2), batch[:, 1:], reduction="none").cpu())
    return torch.cat(found)


def summarize(losses: Tensor) -> Loss:
    """The mean of token losses ``[n, length]``; the error counts a sequence as one observation."""
    per_sequence = losses.double().mean(1)
    n = len(per_sequence)
    error = float(per_sequence.std(unbiased=True)) / math.sqrt(n) if n > 1 else math.nan
    return Loss(float(per_sequence.mean()), error, losses.numel())


def domain_loss(model: nn.Module, sequences: Tensor, batch_size: int = 32) -> Loss:
    """Mean next-token loss of ``model`` on held-out sequences ``[n, length]``."""
    return summarize(token_losses(model, sequences, batch_size))


def histogram(losses: Tensor, edges: np.ndarray) -> list[float]:
    """The share of tokens per bin of ``edges``; what lies beyond the last edge counts in the last bin."""
    clipped = losses.reshape(-1).clamp(max=float(edges[-1])).numpy()
    counts, _ = np.histogram(clipped, edges)
    return [float(share) for share in counts / max(1, counts.sum())]
