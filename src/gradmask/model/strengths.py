"""`gradmask.fit_strengths`: how strongly each removable group should contribute, found by trying, and written into its weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from gradmask.errors import GradmaskError
from gradmask.model.attached import gradmask_of, partitioned
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.route import RoutingContext
from gradmask.partitioning.owned.experts import RowWise
from gradmask.partitioning.owned.table_kinds import ADAPTER, COLUMNS, A, table_names

STRENGTHS = (1.0, 0.7, 0.5, 0.35, 0.25)
"""What is tried, strongest first."""


@torch.no_grad()
def fit_strengths(
    model: nn.Module, loss: Callable[[], float], strengths: Sequence[float] = STRENGTHS
) -> dict[str, float]:
    """Scale what each removable group writes so that a loss is smallest, for good; the removed model keeps every bit.

    A group learns from its own text and runs on all text, where it says too much. A weaker one is the better beginning of a
    `gradmask.consolidation`: call it there, before the first step, with the loss of a few batches of all text.

    Groups are fitted one after another, each from the first strength downwards until the loss no longer falls.

    Args:
        model: a partitioned model.
        loss: the mean loss of the model as it stands, in nats; always of the same batches. Under FSDP2 every rank calls it,
            and must get the same number.
        strengths: factors to try, the first of them 1.

    Returns:
        Group -> the factor that its output weights, tables and adapters were multiplied by.

    Raises:
        GradmaskError: what a group writes is joint, or its strength is not 1; ``strengths`` does not begin with 1.
    """
    context, found = gradmask_of(model).context, {}
    groups = [g for g in gradmask_of(model).removable if g not in context.silenced]
    _check(context.strength, strengths)
    written = {group: list(_written(partitioned(model), group)) for group in groups}
    for group in groups:
        best, least = 1.0, math.inf
        for strength in strengths:
            with _at(context, group, strength):
                value = loss()
            if not value < least:
                break
            best, least = strength, value
        for parameter in written[group]:
            parameter.mul_(best)
        found[group] = best
    return found


@contextmanager
def _at(context: RoutingContext, group: str, strength: float) -> Iterator[None]:
    """Within: one group contributes with this strength."""
    context.strength[group] = strength
    context.refresh()
    try:
        yield
    finally:
        context.strength.pop(group)
        context.refresh()


def _check(now: dict[str, float], strengths: Sequence[float]) -> None:
    if set(now.values()) - {1.0}:
        raise GradmaskError(f"strengths are set already ({now}): call gm.strength with 1 for each group first")
    if not strengths or strengths[0] != 1.0 or not all(0.0 < s <= 1.0 for s in strengths):
        raise GradmaskError(f"strengths must begin with 1 and lie above 0 and up to 1, got {list(strengths)}")


def _written(model: nn.Module, group: str) -> Iterator[nn.Parameter]:
    """The parameters that scale what the group adds to the rest, each once."""
    seen: set[int] = set()
    for module in model.modules():
        for parameter in _written_by(module, group):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield parameter


def _written_by(module: nn.Module, group: str) -> Iterator[nn.Parameter]:
    owned = module._parameters
    if isinstance(module, SplitLinear) and module.geometry.split == "in" and group in module.geometry.units.groups:
        part = owned.get(f"weight_{group}")
        if part is None:
            raise GradmaskError(f"what {group!r} writes is joint, so its strength cannot be put into its own weights")
        yield part
    if isinstance(module, RowWise):
        parts = (owned.get(f"{name}_{group}") for name in module.written_names())
        yield from (part for part in parts if part is not None)
    for name in table_names(module).get(group, []):
        parameter = owned[name]
        factor = name.endswith(A if name.startswith(ADAPTER) else COLUMNS)  # the other factor of a product
        if parameter is not None and not factor:
            yield parameter
