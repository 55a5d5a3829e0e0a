"""Gradient difference: up on forget text, down on retain text (Liu et al., arXiv 2203.12817; TOFU, arXiv 2401.06121)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from gradmask.lab.unlearning.method import Method, cross_entropy
from gradmask.lab.unlearning.methods.gradient_ascent import ascent


@dataclass(frozen=True)
class GradientDifference(Method):
    """−ℓ(forget) + weight · ℓ(retain)."""

    name = "gradient_difference"
    title = "gradient difference"
    source = "arXiv 2203.12817"
    objective = "−ℓ(*f*) + w · ℓ(*r*)"
    order = 3
    color = "violet"
    marker = "s"

    retain_weight: float = 1.0

    @classmethod
    def grid(cls) -> list[GradientDifference]:
        return [cls(r, 48, w) for r in (1e-4, 3e-4) for w in (1.0, 5.0)]

    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        return ascent(model, forget) + self.retain_weight * cross_entropy(model, retain)
