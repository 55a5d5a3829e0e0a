"""What a model says of some tokens, kept once: losses under a bias on the logits then need no further forward pass.

Since only a bias b on the logits moves, a model runs once, and its probabilities P of the tokens are kept. With them a step of
`gradmask.lab.measures.calibration` is two products of a matrix and a vector:

    Z_t = Σ_v P_tv e^(b_v)        ∂ℓ/∂b_v = mean_t P_tv e^(b_v) / Z_t − (share of targets that are v)

which is exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradmask.lab.measures.losses import evaluating, predictions


@dataclass(frozen=True)
class Observed:
    """What a model says of ``m`` tokens: ``probabilities`` ``[m, vocabulary]``, and the log of that of each target."""

    probabilities: Tensor
    targets: Tensor
    log_target: Tensor

    def part(self, step: int, size: int) -> Observed:
        """The ``size`` tokens whose turn it is at ``step``, without a copy."""
        parts = max(1, len(self.targets) // size)
        at = slice(step % parts * size, (step % parts + 1) * size)
        return Observed(self.probabilities[at], self.targets[at], self.log_target[at])

    def loss(self, bias: Tensor) -> Tensor:
        """Mean loss in nats with ``bias`` added to the logits."""
        top = bias.max()
        mass = self.probabilities @ (bias - top).exp()
        return (mass.log() + top - self.log_target - bias[self.targets]).mean()

    def gradient(self, bias: Tensor) -> Tensor:
        """The gradient ``[vocabulary]`` of `loss`."""
        tilt = (bias - bias.max()).exp()
        mass = self.probabilities @ tilt
        expected = tilt * (mass.reciprocal() @ self.probabilities)
        counts = torch.bincount(self.targets, minlength=len(bias)).to(bias.dtype)
        return (expected - counts) / len(self.targets)


def observe(
    model: nn.Module, domains: Sequence[Tensor], tokens: int, batch_size: int, generator: torch.Generator
) -> Observed:
    """Run ``model`` on ``tokens`` tokens, as many of each of ``domains`` (each ``[n, length]``) where it has as many.

    They come from whole sequences, spread over the domain, and lie in random order, so that any part is a sample.
    """
    share = -(-tokens // len(domains))
    chosen = [_spread(ids, share) for ids in domains]
    counts = [min(share, int((ids[:, 1:] >= 0).sum())) for ids in chosen]
    one = probe(model, domains[0])
    slots = torch.randperm(sum(counts), generator=generator, device="cpu").to(one.device)
    rows = Observed(one.new_empty(len(slots), len(one)), slots.new_empty(len(slots)), one.new_empty(len(slots)))
    filled = 0
    with evaluating(model):
        for ids, count in zip(chosen, counts, strict=True):
            for logits, targets in _first(_counted(predictions(model, ids, batch_size)), count):
                at = slots[filled : filled + len(targets)]
                filled += len(at)
                log = logits.log_softmax(1)
                rows.targets[at] = targets
                rows.log_target[at] = log.gather(1, targets[:, None])[:, 0]
                rows.probabilities[at] = log.exp_()
    return rows


def probe(model: nn.Module, sequences: Tensor) -> Tensor:
    """The logits ``[vocabulary]`` of one token: their number, device and type."""
    with evaluating(model):
        return next(predictions(model, sequences[:1, :2], 1))[0][0]


def _spread(ids: Tensor, tokens: int) -> Tensor:
    """Whole sequences with about ``tokens`` predicted tokens that count, or all, at even distances in the set."""
    there = int((ids[:, 1:] >= 0).sum())
    count = min(len(ids), -(-min(tokens, there) * len(ids) // max(1, there)))
    return ids[torch.linspace(0, len(ids) - 1, count).round().long()]


def _counted(pairs: Iterator[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Without the tokens that do not count."""
    for logits, targets in pairs:
        at = targets >= 0
        yield (logits, targets) if at.all() else (logits[at], targets[at])


def _first(pairs: Iterator[tuple[Tensor, Tensor]], count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The first ``count`` rows of what comes in parts."""
    for logits, targets in pairs:
        yield logits[:count], targets[:count]
        count -= len(targets)
        if count <= 0:
            return
