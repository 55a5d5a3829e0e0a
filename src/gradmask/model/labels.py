"""`gradmask.labels`: data labels for calls that cannot carry them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from torch import nn

from gradmask.errors import GradmaskError
from gradmask.model.attached import gradmask_of
from gradmask.model.stepping import note_taught
from gradmask.partitioning import Route
from gradmask.partitioning.kernel.route import Ambient
from gradmask.routing.router import DataLabels


@contextmanager
def labels(model: nn.Module, data_labels: DataLabels) -> Iterator[nn.Module]:
    """Within: calls of ``model``, and of modules inside it, that carry no ``data_labels`` have these.

    For stacks that cannot pass a column to the model, and for loops that call ``model.model(...)`` and a head of their own.
    It holds for this thread, or asyncio task, and for what it starts while inside. A call that carries labels keeps its own.

    Args:
        model: a partitioned model (inside DDP, FSDP2 or PEFT, give the model itself).
        data_labels: one label for all, or one per example, or ids ``[batch, sequence]``, of the batch that is run.

    Raises:
        GradmaskError: the model is not partitioned, or has no such label. Where the calls come: labels that do not fit the
            batch; an inner module under an engine that shares gradients (call the model itself then).
    """
    gradmask = gradmask_of(model)
    batch = 1 if isinstance(data_labels, str | int) else len(data_labels)
    gradmask.router.encode(data_labels, batch)

    @cache
    def route() -> Route:
        """Made at the first call of an inner module, so that a call of the whole model draws no random numbers twice."""
        if gradmask.ranks.engine(model, gradmask.context) is not None:
            raise GradmaskError(
                "a module inside a model whose gradients are shared between processes was called by itself: ranks agree on "
                "what learns in the model's own forward pass only. Call the model itself, with data_labels or inside gm.labels"
            )
        made = gradmask.router.route(data_labels, batch, model.training, next(model.parameters()).device)
        note_taught(gradmask, made)
        return made

    with gradmask.context.ambient(Ambient(gradmask.context, labels=data_labels, route=route)):
        yield model
