"""Logit calibration: a loss must not be high merely because some tokens became impossible.

After training, one bias per vocabulary entry is trained on ℓ_forget + α·ℓ_retain (+ β·ℓ_adjacent), and nothing else
(Shilov et al., arXiv 2512.05648, evaluation). Since only a bias on the logits moves, the model's log-probabilities of the
calibration tokens are computed once, and each step works on a sample of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.evaluate.losses import batches, evaluating


@dataclass(frozen=True)
class CalibrationSettings:
    """``steps`` of AdamW from ``rate`` linearly to ``final_rate``, on ``tokens`` tokens of each domain, ``sample`` a step."""

    steps: int = 300
    alpha: float = 100.0
    beta: float = 0.0
    rate: float = 1e-2
    final_rate: float = 1e-3
    tokens: int = 12_000
    sample: int = 1_024
    seed: int = 0


def token_logits(model: nn.Module, sequences: Tensor, tokens: int, batch_size: int = 32) -> tuple[Tensor, Tensor]:
    """Logits ``[m, vocabulary]`` and targets ``[m]`` of up to ``tokens`` positions, spread over ``sequences``."""
    device = next(model.parameters()).device
    per_sequence = max(1, min(sequences.shape[1] - 1, -(-tokens // len(sequences))))
    at = torch.linspace(0, sequences.shape[1] - 2, per_sequence).long()
    logits, targets = [], []
    with evaluating(model):
        for batch in batches(sequences, batch_size):
            out = model(input_ids=batch.to(device), use_cache=False).logits[:, at].float().cpu()
            logits.append(out.flatten(0, 1))
            targets.append(batch[:, at + 1].flatten())
    return torch.cat(logits)[:tokens], torch.cat(targets)[:tokens]


def calibration_bias(
    model: nn.Module,
    sequences: Mapping[str, Tensor],
    roles: Mapping[str, str],
    settings: CalibrationSettings | None = None,
    batch_size: int = 32,
) -> Tensor:
    """The bias ``[vocabulary]`` that minimizes the weighted loss.

    Args:
        model: any model whose forward pass gives ``logits``.
        sequences: domain -> held-out ids ``[n, length]``, apart from those that losses are reported on.
        roles: domain -> ``forget``, ``retain`` or ``adjacent``; a role's loss is the mean over its domains.
        settings: see `CalibrationSettings`.

    Raises:
        GradmaskError: a domain without a role.
    """
    settings = settings or CalibrationSettings()
    missing = sorted(set(sequences) - set(roles))
    if missing:
        raise GradmaskError(f"calibration: domains {missing} have no role")
    weights = _weights(sequences, roles, settings)
    known = {
        domain: token_logits(model, ids, settings.tokens, batch_size)
        for domain, ids in sequences.items()
        if weights[domain] > 0
    }
    vocabulary = next(iter(known.values()))[0].shape[1]
    return _fit(known, weights, vocabulary, settings)


def _weights(
    sequences: Mapping[str, Tensor], roles: Mapping[str, str], settings: CalibrationSettings
) -> dict[str, float]:
    of_role = {"forget": 1.0, "retain": settings.alpha, "adjacent": settings.beta}
    counts = {role: sum(roles[d] == role for d in sequences) for role in of_role}
    return {domain: of_role[roles[domain]] / counts[roles[domain]] for domain in sequences}


def _fit(
    known: Mapping[str, tuple[Tensor, Tensor]],
    weights: Mapping[str, float],
    vocabulary: int,
    settings: CalibrationSettings,
) -> Tensor:
    bias = torch.zeros(vocabulary, requires_grad=True)
    optimizer = torch.optim.AdamW([bias], lr=settings.rate, weight_decay=0.0)
    generator = torch.Generator().manual_seed(settings.seed)
    total = sum(weights.values())
    for step in range(settings.steps):
        progress = step / max(1, settings.steps - 1)
        optimizer.param_groups[0]["lr"] = settings.rate + (settings.final_rate - settings.rate) * progress
        loss = torch.zeros(())
        for domain, (logits, targets) in known.items():
            at = torch.randint(len(targets), (min(settings.sample, len(targets)),), generator=generator)
            loss = loss + weights[domain] / total * F.cross_entropy(logits[at] + bias, targets[at])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return bias.detach()


class Calibrated(nn.Module):
    """``model`` with ``bias`` added to its logits."""

    def __init__(self, model: nn.Module, bias: Tensor) -> None:
        super().__init__()
        self.model, self.bias = model, nn.Buffer(bias)

    def forward(self, **inputs: object) -> object:
        out = self.model(**inputs)
        out.logits = out.logits + self.bias.to(out.logits.device)
        return out
