"""What is rehearsed counts more.

A policy's `rehearsal` lets a group learn from a small share of the retain examples, so that retain loses few of them. To the
group this share then stands for all of them: an importance weight of one over the share makes its gradient that of a
group which sees every retain example, at the price of a larger variance. Nothing else learns from a rehearsed example, so
the weight acts at the logits, for the whole example, and the loss that is reported stays the plain one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.routing.policy import Policy
from gradmask.routing.router import Router


class _WeightGradient(torch.autograd.Function):
    """The same numbers, with a gradient times ``weights``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(weights)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (weights,) = ctx.saved_tensors
        return grads[0] * weights.to(grads[0].dtype), None


class _Hook:
    """Of the output layer. An object, not a function: a copy of the model gets a copy that knows the copy's router."""

    def __init__(self, router: Router) -> None:
        self.router = router

    def __call__(self, module: nn.Module, args: Any, logits: Any) -> Any:
        weights = self.router.weights
        if weights is None or not isinstance(logits, Tensor) or not logits.requires_grad:
            return None
        return _WeightGradient.apply(logits, weights.reshape(*weights.shape, *[1] * (logits.dim() - weights.dim())))


def check_loss_weighting(model: PreTrainedModel, policy: Policy) -> None:
    """Refuse a weight that has nowhere to act.

    Raises:
        GradmaskError: the model has no output layer whose logits are a loss's input.
    """
    if policy.rehearsal_weight != 1.0 and model.get_output_embeddings() is None:
        raise GradmaskError(
            f"rehearsal_weight={policy.rehearsal_weight:g} acts at the logits, but {type(model).__name__} has no output "
            "embeddings: give rehearsal_weight=1, or a model with a language-model head"
        )


def add_loss_weighting(model: PreTrainedModel, router: Router) -> None:
    """Let the model's rehearsed examples count as its policy says; `check_loss_weighting` first."""
    head = model.get_output_embeddings()
    if head is not None and router.policy.rehearsal_weight != 1.0:
        head.register_forward_hook(_Hook(router))


def remove_loss_weighting(model: PreTrainedModel) -> None:
    """Undo `add_loss_weighting`."""
    head = model.get_output_embeddings()
    hooks = head._forward_hooks if head is not None else {}
    for key in [key for key, hook in hooks.items() if isinstance(hook, _Hook)]:
        del hooks[key]
