"""Gradients of zero, for parameters that learn from no token of a pass.

Two things need them. Engines that share gradients between processes need the same parameters to have one on every rank
(`gradmask.distributed`). And the published code of selective gradient masking (arXiv 2512.05648) sets the masked part of
``.grad`` to zero and then steps, so that momentum and weight decay keep moving parameters that the batch should not update. It
has two ways, and ``gm.partition(..., exact=...)`` reproduces both, for comparison with published figures:

* its ``legacy``, one AdamW over everything: ``exact=False`` gives zeros to whatever does not learn;
* its ``split``, one AdamW each for the rows of forget units, those of retain units, and all the rest, of which the last steps
  on every batch: ``exact="split"`` gives zeros to the rest, and none to rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.route import JOINT, RETAIN, Route, RoutingContext

Exactness = bool | Literal["split"]
"""What a parameter that must not learn gets: True, no gradient; False, zeros; ``"split"``, zeros unless it is cut into rows."""


class AddZeroGradients(torch.autograd.Function):
    """The identity on an output; the parameters named beside it receive gradients of zero."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, then: Callable[[], None] | None, *parameters: Parameter) -> Tensor:
        ctx.parameters, ctx.then = parameters, then
        return (
            output.detach()
        )  # a view (view_as) would lose the hooks that engines put on it at the next in-place operation

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.then is not None:
            _after_all_callbacks(ctx.then)
        return (grads[0], None, *(torch.zeros_like(parameter) for parameter in ctx.parameters))


class RequireGradient(torch.autograd.Function):
    """The identity on an activation, which then requires a gradient because the dummy beside it does."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dummy: Tensor) -> Tensor:
        return x.detach()  # not a view, as above

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


def attach_zeros(output: Any, parameters: Sequence[Parameter], then: Callable[[], None] | None = None) -> Any:
    """``output``, whose backward pass also gives zeros to ``parameters`` and calls ``then`` at its very end.

    Args:
        output: a tensor, a tuple, or a Hugging Face ``ModelOutput``.
        parameters: zeros are added to whatever gradient they get otherwise, which changes no bit of it.
        then: called after the callbacks of DDP or FSDP2.
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


def as_published(route: Route, context: RoutingContext, exact: Exactness) -> Route:
    """The route, with zeros instead of no gradient for every group that must not learn; ``exact`` is False or "split"."""
    idle = {g for g in context.groups if route.learn(g) is False and g not in context.silenced}
    return replace(route, dragged=frozenset(idle), drags=in_joint_optimizer if exact == "split" else everything)


def everything(module: nn.Module, name: str, group: str) -> bool:
    """One optimizer steps all parameters."""
    return True


def in_joint_optimizer(module: nn.Module, name: str, group: str) -> bool:
    """Whether the published ``split`` keeps a parameter in the optimizer that steps on every batch.

    All but the rows of heads and neurons; and what a group has here that the published code knows nothing of (own tables,
    adapters, experts).
    """
    if isinstance(module, SplitLinear):
        geometry = module.geometry
        layout = geometry.bias if name.startswith("bias_") else geometry.parts
        return geometry.split == "in" or layout is not geometry.units
    return group in (RETAIN, JOINT) and not name.endswith(f"_{group}")


def _after_all_callbacks(then: Callable[[], None]) -> None:
    """Call ``then`` at the end of the backward pass that is running, after the callbacks of engines.

    Engines queue theirs during the backward pass, later than this is queued. Callbacks run in the order of the queue, and
    one that is queued by a callback goes to the end of it: so this one only queues the real one.
    """
    variable: Any = torch.autograd.Variable
    engine = variable._execution_engine
    engine.queue_callback(lambda: engine.queue_callback(then))
