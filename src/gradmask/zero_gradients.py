"""Reference behaviour: the published training dynamics, in which what must not learn gets a gradient of zero.

The published code of selective gradient masking (arXiv 2512.05648) sets the masked part of ``.grad`` to zero and then
steps one AdamW over everything, so that momentum and weight decay go on moving what the batch should not teach.
``gm.partition(..., exact=False)`` reproduces that, for comparison with published figures; it is not what one wants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import Parameter

from gradmask.partitioning import owners

if TYPE_CHECKING:
    from gradmask.model import Gradmask


class AddZeroGradients(torch.autograd.Function):
    """The identity on an output; the parameters named beside it receive gradients of zero."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, *parameters: Parameter) -> Tensor:
        ctx.parameters = parameters
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        return (grads[0], *(torch.zeros_like(parameter) for parameter in ctx.parameters))


def with_zero_gradients(model: Any, output: Any) -> Any:
    """``output``, whose backward pass also gives zeros to the parameters that the current route teaches nothing.

    Args:
        model: a partitioned model, inside its routed forward pass.
        output: what its plain forward pass returned: a tensor, a tuple, or a Hugging Face ``ModelOutput``.
    """
    if not torch.is_grad_enabled():
        return output
    gradmask: Gradmask = model.gradmask
    route, silenced = gradmask.board.route, gradmask.board.silenced
    idle = {g for g in gradmask.board.groups if route.learn(g) is False and g not in silenced}
    parameters = dict(model.named_parameters())
    chosen = [parameters[name] for name, group in owners(model).items() if group in idle]
    chosen = [parameter for parameter in chosen if parameter.requires_grad]
    return _attach(output, chosen) if chosen else output


def _attach(output: Any, parameters: list[Parameter]) -> Any:
    if isinstance(output, Tensor):
        return AddZeroGradients.apply(output, *parameters) if output.requires_grad else output
    if isinstance(output, tuple):
        return tuple(_attach(value, parameters) if isinstance(value, Tensor) else value for value in output)
    for name, value in output.items():
        if isinstance(value, Tensor):
            output[name] = _attach(value, parameters)
    return output
