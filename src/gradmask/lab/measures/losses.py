"""Held-out loss per domain, and how it is spread over tokens."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradmask.data import marked, targets_of, tokens_of
from gradmask.errors import GradmaskError

LOGITS_BYTES = 512 * 2**20
"""What the logits of one batch may take, in bytes; a batch is cut where a large vocabulary would take more."""


@dataclass(frozen=True)
class Loss:
    """Mean next-token loss in nats, its standard error over sequences (None for a single one), and its tokens."""

    nats: float
    error: float | None
    tokens: int

    @property
    def perplexity(self) -> float:
        return math.exp(min(self.nats, 700.0))

    def bits_per_byte(self, size: int) -> float:
        """The loss per byte of the text that the tokens spell: comparable between tokenizers. ``size`` in bytes."""
        return self.nats * self.tokens / math.log(2) / size


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


def sequences_of(dataset: Any, limit: int | None = None, start: int = 0, name: str = "the set") -> Tensor:
    """Token ids ``[n, length]`` of a packed `datasets.Dataset`: ``limit`` sequences from ``start`` on.

    Where it has a ``loss_mask``, tokens that the loss does not count are marked, see `gradmask.data.counted`.

    Raises:
        GradmaskError: there is none, there is no ``input_ids``, or they are not of one length of at least 2.
    """
    if "input_ids" not in dataset.column_names:
        raise GradmaskError(f"{name} has no column 'input_ids', only {', '.join(dataset.column_names)}: pack it first")
    stop = len(dataset) if limit is None else min(len(dataset), start + limit)
    if stop <= start:
        raise GradmaskError(
            f"no held-out sequences left: {name} has {len(dataset)}, of which the first {start} are used elsewhere. "
            "Give more held-out text"
        )
    rows = dataset.with_format("numpy")[start:stop]
    ids = rows["input_ids"]
    if not isinstance(ids, np.ndarray) or ids.ndim != 2 or ids.shape[1] < 2:
        raise GradmaskError(f"{name} must hold sequences of one length of at least 2 tokens: pack it first")
    ids = torch.as_tensor(ids, dtype=torch.long)
    return marked(ids, torch.as_tensor(rows["loss_mask"])) if "loss_mask" in rows else ids


def predictions(model: nn.Module, sequences: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits ``[m, vocabulary]`` (at least float32) and targets ``[m]`` of all predicted tokens, batch by batch.

    They stay on the model's device. The target of a token that the loss does not count is -100. To be used inside `evaluating`.
    """
    device = next(model.parameters()).device
    vocabulary = getattr(getattr(model, "config", None), "vocab_size", None) or 1
    affordable = LOGITS_BYTES // (4 * sequences.shape[1] * vocabulary)
    for batch in sequences.split(max(1, min(batch_size, affordable))):
        batch = batch.to(device)
        logits = model(input_ids=tokens_of(batch), use_cache=False).logits[:, :-1].flatten(0, 1)
        yield logits.to(torch.promote_types(logits.dtype, torch.float32)), targets_of(batch[:, 1:]).flatten()


def token_losses(model: nn.Module, sequences: Tensor, batch_size: int = 32) -> Tensor:
    """The loss of every predicted token, in nats ``[n, length − 1]``; NaN for tokens that do not count, infinite for its NaN."""
    return _token_losses(model, sequences, batch_size, (None,))[0]


def calibrated_token_losses(
    model: nn.Module, sequences: Tensor, bias: Tensor, batch_size: int = 32
) -> tuple[Tensor, Tensor]:
    """`token_losses` as the model gives them, and with ``bias`` ``[vocabulary]`` on its logits, in one forward pass."""
    plain, calibrated = _token_losses(model, sequences, batch_size, (None, bias))
    return plain, calibrated


def losses_of_domains(
    model: nn.Module, domains: Mapping[str, Tensor], batch_size: int = 32, bias: Tensor | None = None
) -> dict[str, tuple[Tensor, Tensor | None]]:
    """Domain -> `token_losses`, and with ``bias`` those with it. Batches hold sequences of several domains where those are few."""
    found: dict[str, tuple[Tensor, Tensor | None]] = {}
    for length in dict.fromkeys(ids.shape[1] for ids in domains.values()):
        alike = {domain: ids for domain, ids in domains.items() if ids.shape[1] == length}
        sizes = [len(ids) for ids in alike.values()]
        biases = (None,) if bias is None else (None, bias)
        plain, *moved = _token_losses(model, torch.cat(list(alike.values())), batch_size, biases)
        calibrated = moved[0].split(sizes) if moved else [None] * len(sizes)
        found |= dict(zip(alike, zip(plain.split(sizes), calibrated, strict=True), strict=True))
    return {domain: found[domain] for domain in domains}


def _token_losses(
    model: nn.Module, sequences: Tensor, batch_size: int, biases: tuple[Tensor | None, ...]
) -> list[Tensor]:
    parts: list[list[Tensor]] = [[] for _ in biases]
    with evaluating(model):
        for logits, targets in predictions(model, sequences, batch_size):
            for losses, bias in zip(parts, biases, strict=True):
                moved = logits if bias is None else logits + bias.to(logits)
                nats = F.cross_entropy(moved, targets, reduction="none")
                # NaN marks what does not count: a broken model's own NaN must not pass for it.
                nats = nats.masked_fill(nats.isnan(), math.inf)
                losses.append(nats.masked_fill(targets < 0, math.nan).cpu())
    return [torch.cat(losses).view(len(sequences), -1) for losses in parts]


def summarize(losses: Tensor) -> Loss:
    """The mean of token losses ``[n, length]``, without those that are NaN; the error counts a sequence as one observation."""
    counted = ~losses.isnan()
    if not counted.all():
        return _ratio(losses.double().nansum(1), counted.sum(1))
    per_sequence = losses.double().mean(1)
    n = len(per_sequence)
    error = float(per_sequence.std(unbiased=True)) / math.sqrt(n) if n > 1 else None
    return Loss(float(per_sequence.mean()), error, losses.numel())


def _ratio(sums: Tensor, counts: Tensor) -> Loss:
    """The mean over all tokens, where sequences have different numbers of them; the error is that of a ratio.

    Raises:
        GradmaskError: no token counts.
    """
    total, n = int(counts.sum()), len(counts)
    if not total:
        raise GradmaskError(
            "no token of the held-out text counts: its answers are longer than a sequence, or there are none"
        )
    mean = float(sums.sum()) / total
    spread = (sums - mean * counts) * n / total
    return Loss(mean, float(spread.std(unbiased=True)) / math.sqrt(n) if n > 1 else None, total)


def domain_loss(model: nn.Module, sequences: Tensor, batch_size: int = 32) -> Loss:
    """Mean next-token loss of ``model`` on held-out sequences ``[n, length]``."""
    return summarize(token_losses(model, sequences, batch_size))


def byte_count(tokenizer: Any, sequences: Tensor) -> int:
    """UTF-8 bytes of the text that the predicted tokens of ``[n, length]`` spell, as far as they count; special tokens count none.

    A character that is cut by a sequence's end is counted as the mark that stands for it.
    """
    counted = [row[row >= 0] for row in sequences[:, 1:]]
    texts = tokenizer.batch_decode(counted, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return sum(len(text.encode()) for text in texts)


def histogram(losses: Tensor, edges: np.ndarray) -> list[float]:
    """The share of tokens per bin of ``edges``; what lies beyond the last edge counts in the last bin."""
    clipped = losses[~losses.isnan()].clamp(max=float(edges[-1])).numpy()
    counts, _ = np.histogram(clipped, edges)
    return [float(share) for share in counts / max(1, counts.sum())]
