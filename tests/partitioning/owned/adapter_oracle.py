"""The gradients that adapters, and the base under them, must have: plain models and autograd, one label at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

import gradmask as gm
from contract.variants import labels_of, silent, taught
from gradmask.partitioning.owned.adapters import AdaptedLinear

Gradients = dict[str, Tensor | None]
Loss = Callable[[PreTrainedModel], Tensor]


class PlainAdapter(nn.Module):
    """One layer's adapter of one group, written out."""

    def __init__(self, module: Any, group: str) -> None:
        super().__init__()
        self.group, self.scale = group, module.gradmask_adapters[group].scale
        self.a, self.b = (
            nn.Parameter(module._parameters[f"adapter_{group}-{side}"].detach().clone()) for side in ("A", "B")
        )

    def forward(self, x: Tensor, live: bool) -> Tensor:
        a, b = (self.a, self.b) if live else (self.a.detach(), self.b.detach())
        return F.linear(F.linear(x, a), b) * self.scale


def written_out(model: PreTrainedModel) -> tuple[PreTrainedModel, dict[str, list[PlainAdapter]]]:
    """The plain base of a model whose groups are adapters, and the adapters of each layer."""
    adapters = {
        name: [PlainAdapter(module, group) for group in module.gradmask_adapters]
        for name, module in model.named_modules()
        if isinstance(module, AdaptedLinear)
    }
    base = copy.deepcopy(model)
    return gm.unpartition(gm.ablate(base)), adapters  # type: ignore[bad-argument-type, bad-return]


def gradients(model: PreTrainedModel, labels: Tensor, loss: Loss) -> Gradients:
    """What ``labels``, ids ``[batch]`` or ``[batch, sequence]``, teach each parameter; None where they teach nothing.

    For each label one pass, in which every module with parameters runs twice: with its parameters and with constants. The
    first output is taken where the label is, the second elsewhere. Adapters are added where their group runs.
    """
    found: Gradients = {name: None for name, _ in model.named_parameters()}
    for label, name in enumerate(labels_of(model), -1):
        where = labels == label
        if not where.any():
            continue
        base, adapters = written_out(model)
        running = {g: _runs(model, labels, g) for g in model.gradmask.removable}  # type: ignore[union-attr]
        for path, module in base.named_modules():
            if any(p is not None for p in module._parameters.values()):
                module.forward = partial(_forward, module, where, adapters.get(path, ()), running)
        loss(base).backward()
        for parameter_name, gradient in _by_name(base, adapters, taught(name)).items():
            if gradient is not None:
                before = found[parameter_name]
                found[parameter_name] = gradient if before is None else before + gradient
    return found


def _runs(model: PreTrainedModel, labels: Tensor, group: str) -> Tensor:
    names = labels_of(model)
    silencing = [i for i, name in enumerate(names, -1) if group in silent(name, model)]
    return ~torch.isin(labels, torch.tensor(silencing))


def _forward(
    module: nn.Module,
    where: Tensor,
    adapters: Sequence[PlainAdapter],
    running: dict[str, Tensor],
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    before = dict(module._parameters)
    live = type(module).forward(module, *args, **kwargs)
    try:
        module._parameters.update({n: None if p is None else p.detach() for n, p in before.items()})  # type: ignore[misc]
        dead = type(module).forward(module, *args, **kwargs)
    finally:
        module._parameters.update(before)
    out = torch.where(_spread(where, live), live, dead)
    for adapter in adapters:
        own = torch.where(_spread(where, live), adapter(args[0], True), adapter(args[0], False))
        out = out + own * _spread(running[adapter.group], out)
    return out


def _spread(positions: Tensor, out: Tensor) -> Tensor:
    """``[batch]`` or ``[batch, sequence]`` with as many dimensions as ``out``."""
    return positions.reshape(*positions.shape, *[1] * (out.dim() - positions.dim()))


def _by_name(base: PreTrainedModel, adapters: dict[str, list[PlainAdapter]], learning: set[str] | None) -> Gradients:
    found: Gradients = {}
    if learning is None or "retain" in learning:
        found |= {name: p.grad for name, p in base.named_parameters()}
    for path, of_layer in adapters.items():
        for adapter in of_layer:
            if learning is None or adapter.group in learning:
                found |= {
                    f"{path}.adapter_{adapter.group}-{side}": p.grad
                    for side, p in zip("AB", (adapter.a, adapter.b), strict=True)
                }
    return found
