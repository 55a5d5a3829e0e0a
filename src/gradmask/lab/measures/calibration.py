"""Logit calibration: a loss must not be high merely because some tokens became impossible.

After training, one bias per vocabulary entry is trained on ℓ_forget + α·ℓ_retain + β·ℓ_adjacent, and nothing else
(Shilov et al., arXiv 2512.05648, evaluation), by one of two rules:

* ``published``: as in the published code. It starts from normal numbers, AdamW decays it, and the last bias is taken.
* ``validated``: a bias per entry can overfit to few tokens. It starts from zero without decay; every fourth sequence is kept
  from training as validation text, and we keep the bias with the lowest validation loss, or none.

The model itself runs once, see `gradmask.lab.measures.observed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.lab.measures.observed import Observed, observe, probe

ROLES = ("forget", "retain", "adjacent")
DECAY = 0.01
"""AdamW's weight decay of the published rule: torch's default."""
Rule = Literal["published", "validated"]


@dataclass(frozen=True)
class CalibrationSettings:
    """``steps`` of AdamW, its rate going linearly from ``rate`` to ``final_rate`` (published: reached after the last step).

    ``alpha`` and ``beta`` weigh the retain and the adjacent loss, the latter where there is such text. Published are α 100 and
    β 1 for 200 steps (TinyStories), and α and β 100 for 500 (Wikipedia). ``start``: standard deviation of the published
    start. Up to ``tokens`` tokens of each role are used, fewer where their probabilities would not fit into ``memory`` bytes;
    each step takes ``sample`` of them. By the validated rule, the bias is checked on the tokens kept from training ``checks``
    times on the way.
    """

    rule: Rule = "published"
    steps: int = 200
    alpha: float = 100.0
    beta: float = 1.0
    rate: float = 1e-2
    final_rate: float = 1e-3
    start: float = 0.1
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
    """``bias`` ``[vocabulary]`` after some of the ``steps``; the weighted mean loss in nats, ``before`` and ``after`` it, of the
    tokens kept (validated), or of those that it was trained on (published).
    """

    bias: Tensor
    steps: int
    before: float
    after: float


def calibrate(
    model: nn.Module,
    sequences: Mapping[str, Tensor],
    roles: Mapping[str, str],
    settings: CalibrationSettings | None = None,
    batch_size: int = 32,
    start: Tensor | None = None,
) -> Calibration:
    """Train the bias.

    Args:
        model: any model whose forward pass gives ``logits``.
        sequences: domain -> held-out ids ``[n, length]``, apart from those that losses are reported on.
        roles: domain -> ``forget``, ``retain`` or ``adjacent``; a role's tokens come from its domains alike.
        settings: see `CalibrationSettings`.
        batch_size: sequences per forward pass.
        start: the bias ``[vocabulary]`` to start from; by default as the rule says.

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
    if settings.rule == "published":
        rows = {role: observe(model, ids, tokens, batch_size, generator) for role, ids in per_role.items()}
        drawn = settings.start * torch.randn(len(one), generator=generator, device="cpu").to(one)
        return _published(rows, weights, settings, drawn if start is None else start.to(one))
    trained, kept = {}, {}
    for role, domains in per_role.items():
        parts = list(zip(*map(_apart, domains), strict=True))
        trained[role] = observe(model, parts[0], -(-3 * tokens // 4), batch_size, generator)
        kept[role] = observe(model, parts[1], -(-tokens // 4), batch_size, generator)
    weights = {role: weight / sum(weights.values()) for role, weight in weights.items()}
    return _validated(trained, kept, weights, settings, torch.zeros_like(one) if start is None else start.to(one))


def _apart(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Three of four sequences to train on, and the fourth; a set too small to be parted serves as both."""
    fourth = torch.arange(len(ids)) % 4 == 3
    return (ids[~fourth], ids[fourth]) if fourth.any() else (ids, ids)


def _weights(
    sequences: Mapping[str, Tensor], roles: Mapping[str, str], settings: CalibrationSettings
) -> dict[str, float]:
    """The roles at hand whose loss has a weight."""
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
    return weights


def _published(
    rows: Mapping[str, Observed], weights: Mapping[str, float], settings: CalibrationSettings, start: Tensor
) -> Calibration:
    bias = start.clone()
    before = objective(rows, weights, torch.zeros_like(bias))
    optimizer = torch.optim.AdamW([bias], lr=settings.rate, weight_decay=DECAY)
    for step in range(settings.steps):
        _step(optimizer, bias, rows, weights, settings, step, step / settings.steps)
    return Calibration(bias, settings.steps, before, objective(rows, weights, bias))


def _validated(
    trained: Mapping[str, Observed],
    kept: Mapping[str, Observed],
    weights: Mapping[str, float],
    settings: CalibrationSettings,
    start: Tensor,
) -> Calibration:
    bias = start.clone()
    optimizer = torch.optim.AdamW([bias], lr=settings.rate, weight_decay=0.0)
    before = objective(kept, weights, torch.zeros_like(bias))
    best = Calibration(torch.zeros_like(bias), 0, before, before)
    every = max(1, settings.steps // settings.checks)
    for step in range(settings.steps):
        _step(optimizer, bias, trained, weights, settings, step, step / max(1, settings.steps - 1))
        if (step + 1) % every == 0 or step + 1 == settings.steps:
            after = objective(kept, weights, bias)
            if after < best.after:
                best = Calibration(bias.clone(), step + 1, before, after)
    return best


def _step(
    optimizer: torch.optim.Optimizer,
    bias: Tensor,
    rows: Mapping[str, Observed],
    weights: Mapping[str, float],
    settings: CalibrationSettings,
    step: int,
    progress: float,
) -> None:
    optimizer.param_groups[0]["lr"] = settings.rate + (settings.final_rate - settings.rate) * progress
    parts = {role: observed.part(step + 1, settings.sample) for role, observed in rows.items()}
    bias.grad = torch.stack([weights[role] * part.gradient(bias) for role, part in parts.items()]).sum(0)
    optimizer.step()


def objective(observed: Mapping[str, Observed], weights: Mapping[str, float], bias: Tensor) -> float:
    """The weighted mean of the roles' losses, in nats."""
    total = sum(weights.values())
    return sum(weights[role] / total * float(rows.loss(bias)) for role, rows in observed.items())
