"""Activation checkpointing: a recomputed block must see the labels of its own forward pass, not of the latest one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from torch import nn

from gradmask.model.attached import gradmask_of
from gradmask.partitioning import Route, RoutingContext

Context = AbstractContextManager[Any]


def checkpoint_under_route(
    checkpoint: Callable[..., Any], context: RoutingContext, function: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """``checkpoint(function, …)`` whose recomputation runs under the route of the forward pass."""
    return checkpoint(partial(_under, context, context.route, function), *args, **kwargs)


def _under(context: RoutingContext, route: Route, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with context.using(route):
        return function(*args, **kwargs)


def recomputation_contexts(model: nn.Module) -> Callable[[], tuple[Context, Context]]:
    """The ``context_fn`` of `torch.utils.checkpoint.checkpoint` for a partitioned model.

    For checkpointing that is not switched on by ``model.gradient_checkpointing_enable()``:
    ``checkpoint(block, x, use_reentrant=False, context_fn=gm.recomputation_contexts(model))``, and the same argument of
    `checkpoint_wrapper`.

    Args:
        model: a partitioned model.
    """
    context = gradmask_of(model).context
    # called once per checkpointed call, in its forward pass: the route is read there and kept for the recomputation
    return lambda: (nullcontext(), context.using(context.route))


def wrap_checkpointing(model: nn.Module, context: RoutingContext) -> None:
    """Let checkpointing that was switched on before the partition recompute under the route of its forward pass."""
    for module in model.modules():
        checkpoint = module.__dict__.get("_gradient_checkpointing_func")
        if checkpoint is not None:
            module.__dict__["_gradient_checkpointing_func"] = partial(checkpoint_under_route, checkpoint, context)


def unwrap_checkpointing(model: nn.Module) -> None:
    """Undo `wrap_checkpointing`, and `Partitioned._set_gradient_checkpointing`."""
    for module in model.modules():
        wrapped = module.__dict__.get("_gradient_checkpointing_func")
        if isinstance(wrapped, partial) and wrapped.func is checkpoint_under_route:
            module.__dict__["_gradient_checkpointing_func"] = wrapped.args[0]
