"""Gradients of zero, for parameters that the tokens of a pass teach nothing.

Two things need them. Engines that share gradients between processes need the same parameters to have one on every rank
(`gradmask.distributed`). And the published code of selective gradient masking (arXiv 2512.05648) sets the masked part of
``.grad`` to zero and then steps one AdamW over everything, so that momentum and weight decay go on moving what the batch
should not teach; ``gm.partition(..., exact=False)`` reproduces that, for comparison with published figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from gradmask.partitioning.kernel.route import Route, RoutingContext


class AddZeroGradients(torch.autograd.Function):
    """The identity on an output; the parameters named beside it receive gradients of zero."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, then: Callable[[], None] | None, *parameters: Parameter) -> Tensor:
        ctx.parameters, ctx.then = parameters, then
        return output.detach()  # no view: engines put hooks on outputs, which a view would lose to an in-place sum

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.then is not None:
            _after_all_callbacks(ctx.then)
        return (grads[0], None, *(torch.zeros_like(parameter) for parameter in ctx.parameters))


class RequireGradient(torch.autograd.Function):
    """The identity on an activation that autograd then follows, because of the dummy beside it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dummy: Tensor) -> Tensor:
        return x.detach()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


def attach_zeros(output: Any, parameters: Sequence[Parameter], then: Callable[[], None] | None = None) -> Any:
    """``output``, whose backward pass also gives zeros to ``parameters`` and calls ``then`` when all else is over.

    Args:
        output: a tensor, a tuple, or a Hugging Face ``ModelOutput``.
        parameters: they add exact zeros to whatever gradient they get otherwise.
        then: called after the callbacks of engines.
    """
    if isinstance(output, Tensor):
        return AddZeroGradients.apply(output, then, *parameters) if output.is_floating_point() else output
    if isinstance(output, tuple) and not hasattr(output, "_fields"):
        return tuple(attach_zeros(value, parameters, then) for value in output)
    if isinstance(output, dict):
        for name, value in output.items():
            if isinstance(value, (Tensor, tuple)):
                output[name] = attach_zeros(value, parameters, then)
    return output


def as_published(route: Route, context: RoutingContext) -> Route:
    """``route`` under which every group that must not learn gets zeros instead of no gradient."""
    idle = {g for g in context.groups if route.learn(g) is False and g not in context.silenced}
    return replace(route, zeros=route.zeros | idle)


def _after_all_callbacks(then: Callable[[], None]) -> None:
    """Call ``then`` at the end of the backward pass that is running, after callbacks that were queued before its end."""
    engine = torch.autograd.Variable._execution_engine  # type: ignore[missing-attribute]
    engine.queue_callback(lambda: engine.queue_callback(then))
