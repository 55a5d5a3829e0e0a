"""Removing a group from a model: temporarily, permanently, or partly."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.model.attached import Gradmask, gradmask_of, groups
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.route import Ambient

logger = logging.getLogger(__name__)


def check_removable(gradmask: Gradmask, names: tuple[str, ...]) -> None:
    """Raise a `GradmaskError` unless every name is a removable group of the model."""
    for name in names:
        if name not in gradmask.removable:
            raise GradmaskError(
                f"{name!r} is not a removable group of this model.{did_you_mean(name, gradmask.removable)} "
                f"Removable: {', '.join(gradmask.removable)}"
            )


@contextmanager
def without(model: nn.Module, *names: str) -> Iterator[nn.Module]:
    """Run ``model`` as if the named groups had been removed; nothing is changed. With no name: all removable groups.

    It holds for this thread, or asyncio task, and for what it starts while inside; others see the whole model.

    Raises:
        GradmaskError: a name that is not a removable group.
    """
    gradmask = gradmask_of(model)
    check_removable(gradmask, names)
    context = gradmask.context
    with context.ambient(Ambient(context, silenced=frozenset(names or gradmask.removable))):
        yield model


@torch.no_grad()
def ablate(model: nn.Module, *names: str) -> nn.Module:
    """Remove the named groups permanently: their parameters become zero, and they never run again.

    With no name: all removable groups. Where a projection is joint, the columns that read their heads and neurons become zero,
    too, so that no file that is saved afterwards holds them. Removed experts are zeros as well, and routers leave them out as
    ``silent_experts`` says; plain Transformers does not (a logit of 0), so write the removed model with `gradmask.export`.

    Raises:
        GradmaskError: a name that is not a removable group.
    """
    gradmask = gradmask_of(model)
    check_removable(gradmask, names)
    owned = groups(model)
    for name in names or gradmask.removable:
        for parameter in owned[name].values():
            parameter.zero_()
            parameter.grad = None
    for module in model.modules():
        if isinstance(module, SplitLinear):
            module.zero_joint_entries(names or gradmask.removable)
    gradmask.mark_removed(names or gradmask.removable)
    return model


def warn_of_experts(gradmask: Gradmask) -> None:
    """Before a model is saved: a plain router would choose experts that `ablate` removed, since their logits are 0."""
    owners = {g for site, chosen in gradmask.cut.units.items() if site.endswith("/experts") for g in chosen}
    gone = ", ".join(repr(group) for group in gradmask.removable if group in gradmask.removed & owners)
    if gone and gradmask.cut.silent_experts in ("around", "renormalise"):
        logger.warning(
            "routers leave out the removed experts of %s here and after gm.load, but in plain Transformers, where they are zeros, "
            "tokens choose them: write the removed model with gm.export%s",
            gone,
            "" if gradmask.cut.silent_experts == "around" else " from a partition with silent_experts='around'",
        )


def strength(model: nn.Module, /, **strengths: float) -> nn.Module:
    """Scale what groups contribute, from 0 (as removed) to 1 (as trained): ``gm.strength(model, forget=0.3)``.

    Raises:
        GradmaskError: a name that is not a removable group, or a strength outside 0 to 1.
    """
    gradmask = gradmask_of(model)
    check_removable(gradmask, tuple(strengths))
    for name, value in strengths.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
            raise GradmaskError(f"strength of {name!r} must be a number from 0 to 1, got {value!r}")
    gradmask.context.strength.update({name: float(value) for name, value in strengths.items()})
    gradmask.context.refresh()
    return model
