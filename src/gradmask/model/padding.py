"""Padding, and examples without targets, teach nobody: what they carry is taken out of targets and data labels.

Shapes: B batch, S sequence.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.partitioning.owned.gradients import MaskGradient
from gradmask.routing.router import NOBODY

IGNORED = -100
"""The target that losses leave out."""
OUTPUTS = ("logits", "last_hidden_state")
"""What losses are made of, elsewhere."""


def spare(model: PreTrainedModel, labels: int | Tensor, kwargs: dict[str, Any]) -> int | Tensor:
    """The data labels of a training pass, whose padding and whose examples without any target teach nobody.

    Args:
        model: partitioned.
        labels: one id, ids ``[B]``, or ids ``[B, S]``.
        kwargs: of the forward pass; targets at padding are dropped from ``labels``, and from ``num_items_in_batch``.

    Raises:
        GradmaskError: targets at padding were counted by a trainer over several passes, so that the count cannot be mended.
    """
    decoder = model.config.is_encoder_decoder
    mask, targets = kwargs.get("decoder_attention_mask" if decoder else "attention_mask"), kwargs.get("labels")
    mask = mask if isinstance(mask, Tensor) and mask.dim() == 2 else None
    if isinstance(targets, Tensor) and targets.dim() == 2:
        if mask is not None and mask.shape == targets.shape:
            targets = _drop_targets(model, mask, targets, kwargs)
        labels = _without_targets(labels, _counted(model, targets).any(1))
    if isinstance(labels, Tensor) and labels.dim() == 2 and mask is not None and mask.shape == labels.shape:
        labels = labels.to(mask.device).masked_fill(mask == 0, NOBODY)
    return labels


def shifts(model: PreTrainedModel) -> bool:
    """Whether the model's loss compares a position's output with the target of the next one."""
    return getattr(model, "loss_type", None) == "ForCausalLM"


def _counted(model: PreTrainedModel, targets: Tensor) -> Tensor:
    """Which entries of the targets count in the loss."""
    return (targets[:, 1:] if shifts(model) else targets) != IGNORED


def void_targets(mask: Tensor, shifted: bool) -> Tensor:
    """Which targets ``[B, S]`` teach nobody, given the attention mask and whether the loss compares a position with the next."""
    void = mask == 0
    if shifted:
        # the output at a position of padding predicts the next token, the first word after padding on the left
        void = torch.cat([void[:, :1], void[:, 1:] | void[:, :-1]], 1)
    return void


def _drop_targets(model: PreTrainedModel, mask: Tensor, targets: Tensor, kwargs: dict[str, Any]) -> Tensor:
    kept = targets.masked_fill(void_targets(mask, shifts(model)), IGNORED)
    count = kwargs.get("num_items_in_batch")
    if count is not None:
        before, after = (int(_counted(model, t).sum()) for t in (targets, kept))
        if before != after and int(count) != before:
            raise GradmaskError(
                f"the batch has {before - after} targets at padding, which teach nobody, but num_items_in_batch={int(count)} "
                "counts them, over several passes: set labels to -100 there before the trainer counts (gm.LabelCollator(model, "
                "collator) does)"
            )
        kwargs["num_items_in_batch"] = count - (before - after)
    kwargs["labels"] = kept
    return kept


def _without_targets(labels: int | Tensor, taught: Tensor) -> int | Tensor:
    """``labels`` where examples of which ``taught`` ``[B]`` is False teach nobody."""
    if bool(taught.all()):
        return labels
    labels = torch.full_like(taught, labels, dtype=torch.long) if isinstance(labels, int) else labels.to(taught.device)
    return torch.where(taught if labels.dim() == 1 else taught[:, None], labels, NOBODY)


@torch.compiler.disable
def gate(output: Any, kwargs: dict[str, Any]) -> Any:
    """``output`` of a training pass without targets, whose loss is made elsewhere, perhaps of padding too.

    No gradient enters at outputs ``[B, S, ...]`` of padding: it would reach real tokens by attention.
    """
    mask = kwargs.get("attention_mask")
    if kwargs.get("labels") is not None or not isinstance(mask, Tensor) or mask.dim() != 2 or bool((mask != 0).all()):
        return output
    for name in OUTPUTS if isinstance(output, dict) else ():
        value = output.get(name)
        if isinstance(value, Tensor) and value.shape[:2] == mask.shape and value.requires_grad:
            output[name] = MaskGradient.apply(value, (mask != 0).flatten())
    return output
