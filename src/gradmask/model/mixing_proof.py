"""Do the rows of a batch keep their labels apart? Tried on a model whose cut was found, not declared by us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from gradmask.model.attached import gradmask_of, plain_class
from gradmask.model.tiny_batch import as_it_was, main_output
from gradmask.partitioning import Flag, TokenMask
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.surgery.owners import find_owners

ROUNDING = 1e-3
"""Relative difference that summing in another order may make, in the precision of weights of half length."""

LOUD = 16.0


def kept_apart(model: PreTrainedModel, batch: Mapping[str, Any]) -> str | None:
    """Let no row of a batch notice what runs for another one; returns the first group that does so all the same, None: none.

    Where later layers read a layer's keys and values, too (Gemma 3n), heads of retain read those of a group's heads: in rows
    where the group does not run, they must be zeros, as in an exported model.
    """
    if disturbed(model, batch) is None:
        return None
    inputs = [m for m in model.modules() if isinstance(m, SplitLinear) and m.geometry.split == "out"]
    before = [layer.gate_outputs for layer in inputs]
    for layer in inputs:
        layer.gate_outputs = True
    if (group := disturbed(model, batch)) is not None:
        for layer, gates in zip(inputs, before, strict=True):
            layer.gate_outputs = gates
    return group


@torch.no_grad()
def disturbed(model: PreTrainedModel, batch: Mapping[str, Any]) -> str | None:
    """The first removable group that, run on the first row alone, changes what the other rows give; None: none does."""
    rows = len(next(value for value in batch.values() if isinstance(value, Tensor)))
    first = torch.arange(rows, device=model.device) == 0
    if rows < 2:
        return None
    owner = find_owners(model)
    for group in gradmask_of(model).removable:
        own = [p for name, p in model.named_parameters() if owner.get(name) == group]
        with _loud(own):
            mixed, without = (_outputs(model, batch, group, flag) for flag in (TokenMask(first), False))
        if not torch.allclose(mixed[1:], without[1:], rtol=ROUNDING, atol=ROUNDING * float(without.abs().max())):
            return group
    return None


@contextmanager
def _loud(parameters: Sequence[Tensor]) -> Iterator[None]:
    """Within, parameters are many times as large: what they add to other rows must not be mistaken for rounding."""
    before = [parameter.clone() for parameter in parameters]
    for parameter in parameters:
        parameter.mul_(LOUD)
    try:
        yield
    finally:
        for parameter, value in zip(parameters, before, strict=True):
            parameter.copy_(value)


def _outputs(model: PreTrainedModel, batch: Mapping[str, Any], group: str, runs: Flag) -> Tensor:
    context = gradmask_of(model).context
    with as_it_was(model), context.using(context.compose({group: runs}, {}, {})):
        torch.manual_seed(0)
        return main_output(plain_class(model).forward(model.eval(), **batch)).float()
