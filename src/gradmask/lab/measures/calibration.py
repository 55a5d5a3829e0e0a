"""Logit calibration: a loss must not be high merely because some tokens became impossible.

After training, one bias per vocabulary entry is trained on ℓ_forget + α·ℓ_retain + β·ℓ_adjacent, and nothing else
(Shilov et al., arXiv 2512.05648, evaluation). Since only a bias b on the logits moves, the model runs once, and its
probabilities P of the calibration tokens are kept. With them a step is two products of a matrix and a vector:

    Z_t = Σ_v P_tv e^(b_v)        ∂ℓ/∂b_v = mean_t P_tv e^(b_v) / Z_t − (share of targets that are v)

which is exact. A bias per entry can overfit to few tokens: every fourth sequence is kept from training as validation text, and we
keep the bias with the lowest validation loss, or none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.lab.measures.losses import evaluating, predictions

ROLES = ("forget", "retain", "adjacent")


@dataclass(frozen=True)
class CalibrationSettings:
    """``steps`` of AdamW (no weight decay), its rate going linearly from ``rate`` to ``final_rate``.

    ``alpha`` and ``beta`` weigh the retain and the adjacent loss. Up to ``tokens`` tokens of each role are used, fewer
    where their probabilities would not fit into ``memory`` bytes; each step takes ``sample`` of them. The bias is
    checked on the tokens kept from training ``checks`` times on the way.
    """

    steps: int = 300
    alpha: float = 100.0
    beta: float = 0.0
    rate: float = 1e-2
    final_rate: float = 1e-3
    tokens: int = 32_768
    sample: int = 1_024
    checks: int = 12
    memory: int = 2**30
    seed: int = 0

    def weights(self) -> dict[str, float]:
        """Role -> weight of its loss."""
        return {"forget": 1.0, "retain": self.alpha, "adjacent": self.beta}


@dataclass(frozen=True)
class Calibration:
    """``bias`` ``[vocabulary]`` after some of the ``steps``; the weighted mean loss of the tokens kept, in nats, ``before``
    and ``after`` it.
    """

    bias: Tensor
    steps: int
    before: float
    after: float


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


def calibrate(
    model: nn.Module,
    sequences: Mapping[str, Tensor],
    roles: Mapping[str, str],
    settings: CalibrationSettings | None = None,
    batch_size: int = 32,
) -> Calibration:
    """Train the bias. It is zero where none is better.

    Args:
        model: any model whose forward pass gives ``logits``.
        sequences: domain -> held-out ids ``[n, length]``, apart from those that losses are reported on.
        roles: domain -> ``forget``, ``retain`` or ``adjacent``; a role's tokens come from its domains alike.
        settings: see `CalibrationSettings`.

    Raises:
        GradmaskError: a domain without a known role, or no domain whose loss has a weight.
    """
    settings = settings or CalibrationSettings()
    weights = _weights(sequences, roles, settings)
    per_role = {role: [ids for domain, ids in sequences.items() if roles[domain] == role] for role in weights}
    one = probe(model, next(iter(sequences.values())))
    affordable = settings.memory // (len(weights) * len(one) * one.element_size())
    tokens = max(1, min(settings.tokens, affordable))
    generator = torch.Generator().manual_seed(settings.seed)
    trained, kept = {}, {}
    for role, domains in per_role.items():
        parts = list(zip(*map(_apart, domains), strict=True))
        trained[role] = observe(model, parts[0], -(-3 * tokens // 4), batch_size, generator)
        kept[role] = observe(model, parts[1], -(-tokens // 4), batch_size, generator)
    return _fit(trained, kept, weights, settings)


def _apart(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Three of four sequences to train on, and the fourth; a set too small to be parted serves as both."""
    fourth = torch.arange(len(ids)) % 4 == 3
    return (ids[~fourth], ids[fourth]) if fourth.any() else (ids, ids)


def _weights(
    sequences: Mapping[str, Tensor], roles: Mapping[str, str], settings: CalibrationSettings
) -> dict[str, float]:
    """The roles at hand whose loss has a weight; the weights sum to 1."""
    for domain in sequences:
        if roles.get(domain) not in ROLES:
            raise GradmaskError(
                f"calibration: the role of domain {domain!r} is {roles.get(domain)!r}, needed: {', '.join(ROLES)}"
            )
    present = {roles[domain] for domain in sequences}
    weights = {role: weight for role, weight in settings.weights().items() if role in present and weight > 0}
    if not weights:
        raise GradmaskError(
            f"calibration: nothing to train on. Roles at hand: {', '.join(sorted(present)) or 'none'}; "
            f"weights: {settings.weights()}"
        )
    return {role: weight / sum(weights.values()) for role, weight in weights.items()}


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


def _fit(
    trained: Mapping[str, Observed],
    kept: Mapping[str, Observed],
    weights: Mapping[str, float],
    settings: CalibrationSettings,
) -> Calibration:
    some = next(iter(trained.values())).probabilities
    bias = some.new_zeros(some.shape[1])
    optimizer = torch.optim.AdamW([bias], lr=settings.rate, weight_decay=0.0)
    before = objective(kept, weights, bias)
    best = Calibration(bias.clone(), 0, before, before)
    every = max(1, settings.steps // settings.checks)
    for step in range(1, settings.steps + 1):
        progress = (step - 1) / max(1, settings.steps - 1)
        optimizer.param_groups[0]["lr"] = settings.rate + (settings.final_rate - settings.rate) * progress
        parts = {role: rows.part(step, settings.sample) for role, rows in trained.items()}
        bias.grad = torch.stack([weights[role] * part.gradient(bias) for role, part in parts.items()]).sum(0)
        optimizer.step()
        if step % every == 0 or step == settings.steps:
            after = objective(kept, weights, bias)
            if after < best.after:
                best = Calibration(bias.clone(), step, before, after)
    return best


def objective(observed: Mapping[str, Observed], weights: Mapping[str, float], bias: Tensor) -> float:
    """The weighted mean of the roles' losses, in nats."""
    return sum(weights[role] * float(rows.loss(bias)) for role, rows in observed.items())
