"""Gradient ascent on forget text (Jang et al., arXiv 2210.01504, eq. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from gradmask.lab.unlearning.method import BROKEN, Method, cross_entropy, uniform_loss


@dataclass(frozen=True)
class GradientAscent(Method):
    """−ℓ(forget), until the model is broken."""

    name = "gradient_ascent"
    title = "gradient ascent"
    source = "arXiv 2210.01504, eq. 2"
    objective = "−ℓ(*f*)"
    order = 2
    color = "olive"
    marker = "v"

    @classmethod
    def grid(cls) -> list[GradientAscent]:
        return [cls(r, 32) for r in (3e-5, 1e-4, 3e-4)]

    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        return ascent(model, forget)


def ascent(model: PreTrainedModel, forget: Tensor) -> Tensor:
    """−ℓ(forget); without gradient beyond `BROKEN` times the loss of a uniform guess: the model is broken by then."""
    return -cross_entropy(model, forget).clamp(max=BROKEN * uniform_loss(model))
