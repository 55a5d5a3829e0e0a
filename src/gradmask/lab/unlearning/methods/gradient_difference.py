"""Gradient difference: up on forget text, down on retain text (Liu et al., arXiv 2203.12817; TOFU, arXiv 2401.06121)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from transformers import PreTrainedModel

from gradmask.lab.unlearning.method import Method, cross_entropy
from gradmask.lab.unlearning.methods.gradient_ascent import ascent


@dataclass(frozen=True)
class GradientDifference(Method):
    """−ℓ(forget) + weight · ℓ(retain)."""

    name: ClassVar[str] = "gradient_difference"
    retain_weight: float = 1.0

    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        return ascent(model, forget) + self.retain_weight * cross_entropy(model, retain)
