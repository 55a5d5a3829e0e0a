"""Does a cut that was found, not declared by us, keep gradients apart? Tried with one short pass when a model is partitioned.

Outputs alone prove too little: code that reads a weight past its layer computes the same, and trains what it should not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from gradmask.model.attached import gradmask_of, plain_class
from gradmask.model.tiny_batch import as_it_was, main_output
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.route import Route
from gradmask.partitioning.surgery.owners import find_owners

logger = logging.getLogger(__name__)


def leak(model: PreTrainedModel, batch: Mapping[str, Any]) -> str | None:
    """What learns although only one removable group may, or does not learn although it must, in words; None: nothing.

    Parameters, gradients, buffers, modes and random numbers are left as they were. Only the group's gradients are made, so a
    large model needs no memory for others.
    """
    gradmask = gradmask_of(model)
    owner = find_owners(model)
    for group in gradmask.removable:
        learning = {name: p for name, p in model.named_parameters() if owner.get(name) == group and p.requires_grad}
        if not learning:
            continue
        with as_it_was(model), _own_gradients(model), torch.enable_grad():
            try:
                _pass_back(model, batch, group)
            except Exception as error:
                return f"training on {group!r} alone fails ({type(error).__name__}: {error})"
            taught = {name for name, p in model.named_parameters() if p.grad is not None}
        if stray := sorted(name for name in taught if owner.get(name) != group):
            return f"{', '.join(stray[:3])} ({len(stray)} in all) would learn from what only {group!r} may learn from"
        silent = [name for name in _cut_parts(model, group) if name in learning and name not in taught]
        if silent and len(silent) == len([name for name in _cut_parts(model, group) if name in learning]):
            return f"no part of {group!r} would learn from its own data"
    return None


def _pass_back(model: PreTrainedModel, batch: Mapping[str, Any], group: str) -> None:
    gradmask = gradmask_of(model)
    model.train()
    torch.manual_seed(0)
    with gradmask.context.using(Route(learns={g: g == group for g in gradmask.context.groups})):
        output = main_output(plain_class(model).forward(model, **batch))
        if output.requires_grad:
            output.float().square().sum().backward()


def _cut_parts(model: nn.Module, group: str) -> Iterator[str]:
    for path, module in model.named_modules():
        if isinstance(module, SplitLinear):
            yield from (f"{path}.{name}" for name in module._parameters if name == f"weight_{group}")


@contextmanager
def _own_gradients(model: nn.Module) -> Iterator[None]:
    """Within, no parameter has a gradient; afterwards each has the one that it had."""
    before = [(p, p.grad) for p in model.parameters()]
    for p, _ in before:
        p.grad = None
    try:
        yield
    finally:
        for p, gradient in before:
            p.grad = gradient
