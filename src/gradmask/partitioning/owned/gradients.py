"""Autograd functions through which a parameter learns from chosen tokens only, in modules that one group owns whole.

Which rows ``[N]`` of an activation count is said by booleans, or by weights (`TokenMask.factors`).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gradmask.partitioning.kernel.token_mask import Flag, TokenWeights, times


class MaskGradient(torch.autograd.Function):
    """The identity; gradient passes only in the chosen rows ``[N]``, times their weight."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        return x.detach()  # not a view: engines put hooks on it, which an in-place operation on a view would drop

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None]:
        (rows,) = ctx.saved_tensors
        shape, flat = grads[0].shape, grads[0].reshape(rows.numel(), -1)
        weighted = rows.dtype != torch.bool
        flat = flat.masked_fill((rows == 0 if weighted else ~rows).unsqueeze(1), 0)
        return (times(flat, rows) if weighted else flat).view(shape), None


class WeightGradient(torch.autograd.Function):
    """A parameter, whose gradient is multiplied by one number."""

    @staticmethod
    def forward(ctx: Any, parameter: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return parameter.detach()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * ctx.weight, None


def as_taught(parameter: Tensor, learn: Flag) -> Tensor | None:
    """A parameter as a pass reads it in which all tokens teach it alike; None where they do not."""
    if isinstance(learn, bool):
        return parameter if learn else parameter.detach()
    weight = learn.single if isinstance(learn, TokenWeights) else None
    return None if weight is None else WeightGradient.apply(parameter, weight)


def taught(parameter: Tensor, learns: float) -> Tensor:
    """A parameter whose gradient counts as much as it learns."""
    if learns in (0.0, 1.0):
        return parameter if learns else parameter.detach()
    return WeightGradient.apply(parameter, learns)


class SpreadParameter(torch.autograd.Function):
    """A parameter repeated for every row of an activation; its gradient sums the chosen rows ``[N]``, times their weights."""

    @staticmethod
    def forward(ctx: Any, parameter: Tensor, rows: Tensor, lead: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.shape = parameter.shape
        return parameter.expand(*lead, *parameter.shape)  # no memory: every row is the parameter itself

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (rows,) = ctx.saved_tensors
        flat = grads[0].reshape(rows.numel(), -1)
        return (
            (rows.to(flat.dtype) @ flat).view(ctx.shape),
            None,
            None,
        )  # a product sums the chosen rows without copying them


class ScaleGradient(torch.autograd.Function):
    """The identity on the output of a norm over the last dimension; its parameters learn from chosen rows ``[N]``.

    The output was computed by the plain kernel with the parameters detached, so it is the plain output bit for bit.
    """

    @staticmethod
    def forward(
        ctx: Any,
        out: Tensor,
        x: Tensor,
        eps: float | None,
        rms: bool,
        weight: Tensor | None,
        weight_rows: Tensor | None,
        bias: Tensor | None,
        bias_rows: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(x if weight is not None else None, weight_rows, bias_rows)
        ctx.eps, ctx.rms = eps, rms
        return out.detach()  # no input itself, and no view: code may change it in place (XLM masks what a norm gave)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight_rows, bias_rows = ctx.saved_tensors
        flat = grads[0].reshape(-1, grads[0].shape[-1])
        weight_grad = bias_grad = None
        if weight_rows is not None:
            x = x.reshape(flat.shape).to(flat.dtype)
            shape = (x.shape[-1],)
            normal = F.rms_norm(x, shape, None, ctx.eps) if ctx.rms else F.layer_norm(x, shape, None, None, ctx.eps)
            weight_grad = weight_rows.to(flat.dtype) @ (flat * normal)
        if bias_rows is not None:
            bias_grad = bias_rows.to(flat.dtype) @ flat
        return grads[0], None, None, None, weight_grad, None, bias_grad, None
