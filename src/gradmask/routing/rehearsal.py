"""Loss weighting for rehearsed retain examples.

A policy's `rehearsal` lets a group learn from a small share of the retain examples, so that retain loses few of them. An
importance weight of one over the share makes the group's gradient, in expectation, that of a group which learns from every
retain example, at the price of a larger variance. Nothing else learns from a rehearsed example, so the gradient of its
logits is multiplied, for the whole example, and the reported loss stays the plain one.
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
    """The identity, with a gradient times ``weights``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(weights)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (weights,) = ctx.saved_tensors
        return grads[0] * weights.to(grads[0].dtype), None


class _LossWeighting:
    """A hook of the output layer. An object, not a closure: `deepcopy` of the model gives the copy a hook with its own router."""

    def __init__(self, router: Router) -> None:
        self.router = router

    def __call__(self, module: nn.Module, args: Any, logits: Any) -> Any:
        weights = self.router.context.loss_weights
        if weights is None or not isinstance(logits, Tensor) or not logits.requires_grad:
            return None
        return _WeightGradient.apply(logits, weights.reshape(*weights.shape, *[1] * (logits.dim() - weights.dim())))


def check_loss_weighting(model: PreTrainedModel, policy: Policy) -> None:
    """Refuse a loss weight where the model has no logits to apply it to.

    Raises:
        GradmaskError: the model has no output embeddings.
    """
    if policy.rehearsal_weight != 1.0 and model.get_output_embeddings() is None:
        raise GradmaskError(
            f"rehearsal_weight={policy.rehearsal_weight:g} is applied at the logits, but {type(model).__name__} has no output "
            "embeddings: give rehearsal_weight=1, or a model with a language-model head"
        )


def add_loss_weighting(model: PreTrainedModel, router: Router) -> None:
    """Weight the loss of rehearsed examples as the policy says; call `check_loss_weighting` first."""
    head = model.get_output_embeddings()
    if head is not None and router.policy.rehearsal_weight != 1.0:
        head.register_forward_hook(_LossWeighting(router))


def remove_loss_weighting(model: PreTrainedModel) -> None:
    """Undo `add_loss_weighting`."""
    head = model.get_output_embeddings()
    hooks = head._forward_hooks if head is not None else {}
    for key in [key for key, hook in hooks.items() if isinstance(hook, _LossWeighting)]:
        del hooks[key]
