"""SimNPO: negative preference optimization without a reference model (Fan et al., arXiv 2410.07163, eq. 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from gradmask.lab.unlearning.method import Method, cross_entropy, sequence_log_probability


@dataclass(frozen=True)
class SimNPO(Method):
    """−(2/β) E log σ(−(β/|y|) log π − γ) on forget text, + weight · ℓ(retain)."""

    name = "simnpo"
    title = "SimNPO"
    source = "arXiv 2410.07163, eq. 4"
    objective = "−(2/β) E log σ(−(β/|y|) log π(*f*) − γ) + w · ℓ(*r*)"
    order = 5
    color = "olive"
    marker = "s"

    beta: float = 2.5
    gamma: float = 0.0
    retain_weight: float = 1.0

    @classmethod
    def grid(cls) -> list[SimNPO]:
        published = [cls(r, 48, 4.5, 0.0, 8.0) for r in (3e-4, 1e-3)]  # open-unlearning's: forget text weighs an eighth
        return [*(cls(r, 48, 2.5, g) for r in (3e-4, 1e-3) for g in (0.0, 1.0)), *published]

    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        # Over the number of labels, as in the published code: the first token is one, although nothing predicts it.
        mean = sequence_log_probability(model, forget) / (forget >= 0).sum(1).clamp(min=1)
        loss = -(2 / self.beta) * F.logsigmoid(-self.beta * mean - self.gamma).mean()
        return loss + self.retain_weight * cross_entropy(model, retain) if self.retain_weight else loss
