"""Negative preference optimization (Zhang et al., arXiv 2404.05868, eq. 3)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from gradmask.lab.unlearning.method import Batches, Method, cross_entropy, sequence_log_probability


@dataclass(frozen=True)
class NPO(Method):
    """−(2/β) E log σ(−β log π/π_ref) on forget text, π_ref the model before unlearning, + weight · ℓ(retain)."""

    name = "npo"
    title = "NPO"
    source = "arXiv 2404.05868, eq. 3"
    objective = "−(2/β) E log σ(−β log π(*f*)/π₀(*f*)) + w · ℓ(*r*)"
    order = 4
    color = "rose"
    marker = "s"

    beta: float = 0.1
    retain_weight: float = 1.0

    @classmethod
    def grid(cls) -> list[NPO]:
        return [cls(r, 48, b) for r in (3e-4, 1e-3) for b in (0.03, 0.1)]

    def prepare(self, model: PreTrainedModel, batches: Batches) -> Any:
        return deepcopy(model).eval().requires_grad_(False)

    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        with torch.no_grad():
            reference = sequence_log_probability(prepared, forget)
        ratio = sequence_log_probability(model, forget) - reference
        loss = -(2 / self.beta) * F.logsigmoid(-self.beta * ratio).mean()
        return loss + self.retain_weight * cross_entropy(model, retain) if self.retain_weight else loss
