"""Gradient ascent on forget text (Jang et al., arXiv 2210.01504, eq. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from transformers import PreTrainedModel

from gradmask.lab.unlearning.method import BROKEN, Method, cross_entropy, uniform_loss


@dataclass(frozen=True)
class GradientAscent(Method):
    """−ℓ(forget), until it is hopeless."""

    name: ClassVar[str] = "gradient_ascent"

    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        return ascent(model, forget)


def ascent(model: PreTrainedModel, forget: Tensor) -> Tensor:
    """−ℓ(forget); no gradient beyond `BROKEN` times the loss of a uniform guess, where the model is broken already."""
    return -cross_entropy(model, forget).clamp(max=BROKEN * uniform_loss(model))
