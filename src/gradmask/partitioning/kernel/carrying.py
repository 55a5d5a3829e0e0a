"""What hangs on a parameter besides its values: Python attributes and a gradient, carried to its parts and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gradmask.partitioning.kernel.layout import AnyLayout


@torch.no_grad()
def carry_to_parts(whole: Tensor, parts: Mapping[str, nn.Parameter], layout: AnyLayout, dim: int) -> None:
    """Give every part the attributes of ``whole`` (``param._no_weight_decay``), and its positions of the gradient."""
    for group, part in parts.items():
        part.__dict__.update(whole.__dict__)
        if whole.grad is not None:
            part.grad = layout.take(whole.grad, group, dim).clone()


@torch.no_grad()
def carry_to_whole(parts: Mapping[str, nn.Parameter], whole: Tensor, layout: AnyLayout, dim: int) -> None:
    """The reverse; positions without a gradient get zeros where others have one, as a plain layer would have."""
    for part in reversed(list(parts.values())):
        whole.__dict__.update(part.__dict__)
    if any(part.grad is not None for part in parts.values()):
        grads = {g: torch.zeros_like(p) if p.grad is None else p.grad for g, p in parts.items()}
        whole.grad = layout.assemble(grads, dim).detach().clone()
