"""Rehearsal by distillation: what a rehearsed example teaches is the removed model's distribution, not the next token.

At a rehearsed position the loss of the full model's logits ``z`` is the Kullback-Leibler divergence KL(q ‖ softmax(z)), where
``q`` is the distribution of the model without the removable groups. Its gradient, softmax(z) − q, takes the place of that of
the cross-entropy, and is weighted as that was (one over the number of targets). Only the group learns from a rehearsed
example, so only the group is taught. With a blend b below 1 the loss is b times this one and 1 − b times the cross-entropy: in
the gradient, b q plus 1 − b at the next token takes the place of q.

A vocabulary may be large, so ``q`` is made from the removed model's last hidden states, a chunk of positions at a time, when
the backward pass arrives, and is written into the gradient that the cross-entropy of the other examples made.

Shapes: B batch, S sequence, V vocabulary, H hidden, M positions that are taught.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import PreTrainedModel
from transformers.loss.loss_utils import LOSS_MAPPING

from gradmask.errors import GradmaskError
from gradmask.routing.policy import Policy
from gradmask.routing.router import Router

ELEMENTS = 2**22
"""Entries of the logits that are made at a time: 16 MB in single precision."""
IGNORED = -100


@dataclass(frozen=True)
class Lesson:
    """What the removed model says in one pass.

    Args:
        positions: of the flattened outputs ``[B * S]``, those that are rehearsed ``[M]``, ascending.
        states: what the removed model makes of them ``[M, H]``.
        logits: makes logits ``[n, V]`` of some of these states.
        blend: share of what it says in the target; the rest is the next token.
        targets: the next tokens at the positions ``[M]``, once they are known.
    """

    positions: Tensor
    states: Tensor
    logits: Callable[[Tensor], Tensor]
    blend: float = 1.0
    targets: Tensor | None = None

    def among(self, targets: Tensor) -> Lesson:
        """The lesson at positions that have a target, given all targets ``[B * S]``."""
        kept = targets[self.positions] != IGNORED
        positions = self.positions[kept]
        return replace(self, positions=positions, states=self.states[kept], targets=targets[positions])

    def taught(self, part: slice) -> Tensor:
        """The distributions ``[n, V]`` that are taught at some of the positions."""
        distribution = torch.softmax(precise(self.logits(self.states[part])), -1)
        if self.blend == 1.0 or self.targets is None:
            return distribution
        nexts = torch.full_like(self.targets[part, None], 1.0 - self.blend, dtype=distribution.dtype)
        return (self.blend * distribution).scatter_add_(-1, self.targets[part, None], nexts)


class _Teach(torch.autograd.Function):
    """Logits ``[B, S, V]`` as they are, and a zero to be added to their loss, whose gradient says how much the loss counts."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, lesson: Lesson, count: Tensor) -> tuple[Tensor, Tensor]:
        rows = logits.flatten(0, 1)
        # a copy of few rows lets go of the rest, which nothing else needs in the backward pass
        ctx.few = 2 * len(lesson.positions) <= len(rows)
        ctx.save_for_backward(rows[lesson.positions] if ctx.few else rows, count)
        ctx.lesson, ctx.autocast = lesson, _autocast(logits)
        return logits.view_as(logits), precise(logits[:0, 0, 0]).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (grad, scale), (rows, count) = grads, ctx.saved_tensors
        with ctx.autocast:
            # In place: the loss below made this gradient, and nothing else reads it; a copy would be as large as the logits.
            return _write(grad.contiguous(), rows, ctx.few, ctx.lesson, scale / count), None, None


def _write(grad: Tensor, logits: Tensor, few: bool, lesson: Lesson, scale: Tensor) -> Tensor:
    """``grad`` with p less what is taught at the taught positions; ``logits`` are of these alone, or of all."""
    rows = grad.flatten(0, 1)
    for part in chunks(len(lesson.positions), logits.shape[-1]):
        at = lesson.positions[part]
        student = torch.softmax(precise(logits[part if few else at]), -1)
        rows[at] = ((student - lesson.taught(part)) * scale).to(grad.dtype)
    return grad


def _autocast(logits: Tensor) -> torch.autocast:
    """Autocast as it is now; the backward pass runs outside of it."""
    device = logits.device.type
    return torch.autocast(device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))


def chunks(count: int, width: int) -> list[slice]:
    """Slices of ``count`` rows, so that each has about `ELEMENTS` entries of ``width``."""
    size = max(1, ELEMENTS // width)
    return [slice(start, start + size) for start in range(0, count, size)]


def precise(x: Tensor) -> Tensor:
    """In single precision, or double where it is that already."""
    return x if x.dtype == torch.float64 else x.float()


class DistilledLoss:
    """A model's ``loss_function``, in which rehearsed positions are taught by the removed model.

    An object, not a closure: `deepcopy` of the model gives the copy a loss with its own router. The value is the plain one.
    """

    def __init__(self, plain: Callable[..., Tensor], router: Router) -> None:
        self.plain, self.router = plain, router

    @torch.compiler.disable
    def __call__(self, logits: Tensor, labels: Tensor, vocab_size: int, *args: Any, **kwargs: Any) -> Tensor:
        lesson, self.router.context.lesson = self.router.context.lesson, None
        if lesson is None:
            return self.plain(logits, labels, vocab_size, *args, **kwargs)
        return self._taught(lesson, logits, labels, vocab_size, *args, **kwargs)

    def _taught(
        self,
        lesson: Lesson,
        logits: Tensor,
        labels: Tensor,
        vocab_size: int,
        num_items_in_batch: Tensor | int | None = None,
        shift_labels: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        targets = F.pad(labels, (0, 1), value=IGNORED)[..., 1:] if shift_labels is None else shift_labels
        targets = targets.to(logits.device).flatten()
        lesson = lesson.among(targets)
        count = (targets != IGNORED).sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch)
        count = count.to(logits.device)
        others = targets.index_fill(0, lesson.positions, IGNORED).view(logits.shape[:2])
        logits, zero = _Teach.apply(logits, lesson, count)
        loss = self.plain(logits, None, vocab_size, num_items_in_batch=count, shift_labels=others, **kwargs)
        return loss + (_cross_entropy(logits, lesson, targets) / count + zero).to(loss.dtype)


@torch.no_grad()
def _cross_entropy(logits: Tensor, lesson: Lesson, targets: Tensor) -> Tensor:
    """Of the taught positions, summed: a part of the reported loss, which stays the plain one."""
    rows, total = logits.flatten(0, 1), precise(logits[:0, 0, 0]).sum()
    for part in chunks(len(lesson.positions), logits.shape[-1]):
        at = lesson.positions[part]
        total = total + F.cross_entropy(precise(rows[at]), targets[at], reduction="sum")
    return total


def check_distillation(model: PreTrainedModel, policy: Policy) -> None:
    """Refuse distillation where the model's loss is not the usual one of a causal language model.

    Raises:
        GradmaskError: it has another loss, or no output embeddings.
    """
    if not policy.distils:
        return
    loss = model.loss_function
    plain = loss.plain if isinstance(loss, DistilledLoss) else loss  # it may distil already, by the policy before
    usual = not model.config.is_encoder_decoder and plain is LOSS_MAPPING["ForCausalLM"]
    if not usual or not isinstance(model.get_output_embeddings(), nn.Module):
        raise GradmaskError(
            "rehearsal_target='removed_model' takes the place of the next-token loss of a causal language model, which "
            f"{type(model).__name__} does not compute by Transformers' own ForCausalLMLoss: use rehearsal_target='next_token'"
        )


def add_distillation(model: PreTrainedModel, router: Router) -> None:
    """Let the removed model teach rehearsed examples where the policy says so; call `check_distillation` first."""
    if router.policy.distils:
        model.loss_function = DistilledLoss(model.loss_function, router)


def remove_distillation(model: PreTrainedModel) -> None:
    """Undo `add_distillation`."""
    if isinstance(model.__dict__.get("_loss_function"), DistilledLoss):
        del model._loss_function
