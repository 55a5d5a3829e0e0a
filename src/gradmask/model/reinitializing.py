"""Trainable ablation: a group starts anew, to be taught again, and everything else keeps every bit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from gradmask.model.attached import gradmask_of
from gradmask.model.engines import refuse_sharded
from gradmask.model.removal import check_removable
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.route import JOINT, RETAIN
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.table_kinds import ADAPTER, COLUMNS, A, table_names

FALLBACK = 0.02
"""Standard deviation where a layer has fewer than two weights to measure it on: that of most models' own start."""


@torch.no_grad()
def reinitialize(model: nn.Module, *names: str, seed: int = 0) -> nn.Module:
    """Start the named groups anew, to teach them again; they run again where they were removed. With no name: all of them.

    Every weight and bias of a group's units is drawn from a normal distribution around 0 with the standard deviation of the
    same layer's other units, as the published SGTM code does (arXiv 2512.05648, its *trainable* ablation). Own embedding
    tables and adapters add nothing at first, as when they were made. No bit of another group changes, but that the columns of
    a joint projection are drawn, too, which `gradmask.ablate` zeroed for the group.

    Args:
        model: a partitioned model.
        names: removable groups.
        seed: of the draws.

    Raises:
        GradmaskError: a name that is not a removable group, or a model that is sharded.
    """
    gradmask = gradmask_of(model)
    refuse_sharded(model)
    check_removable(gradmask, names)
    generator = torch.Generator().manual_seed(seed)
    chosen = set(names or gradmask.removable)
    for module in model.modules():
        for parts in _cut(module):
            for group in [g for g in gradmask.removable if g in chosen and g in parts]:
                _draw(parts[group], _deviation(parts, chosen), generator)
        if isinstance(module, SplitLinear):
            for group in [g for g in gradmask.removable if g in chosen & gradmask.removed]:
                _refill(module, group, generator)
        for group, tables in table_names(module).items():
            for name in tables if group in chosen else ():
                _restart(module, name, generator)
    gradmask.unmark_removed(chosen)
    return model


def _cut(module: nn.Module) -> Iterator[dict[str, nn.Parameter]]:
    """Every weight and bias of a cut layer, by group."""
    if isinstance(module, SplitLinear):
        layouts = {name: layout for name, (layout, _) in module._layouts().items()}
    else:
        layouts = module.gradmask_layouts if isinstance(module, Owned) else {}
    for name, layout in layouts.items():
        yield {g: p for g in layout.groups if (p := module._parameters[f"{name}_{g}"]) is not None}


def _deviation(parts: Mapping[str, Tensor], chosen: set[str]) -> float:
    """The standard deviation of the weights that stay: those of retain and joint, or else of the other groups."""
    kept = [p for g, p in parts.items() if g in (RETAIN, JOINT)] or [p for g, p in parts.items() if g not in chosen]
    values = torch.cat([p.flatten() for p in kept]).double() if kept else torch.empty(0)
    found = float(values.std()) if len(values) > 1 else math.nan
    return found if math.isfinite(found) else FALLBACK


def _draw(parameter: nn.Parameter, deviation: float, generator: torch.Generator) -> None:
    """Drawn on the CPU in float32, so that every device and type starts from the same numbers."""
    noise = deviation * torch.randn(parameter.shape, generator=generator, device="cpu")
    parameter.copy_(noise)
    parameter.grad = None


def _refill(module: SplitLinear, group: str, generator: torch.Generator) -> None:
    """Draw what `gradmask.ablate` zeroed for the group's units in a part that is joint."""
    geometry = module.geometry
    for name, (layout, dim) in module._layouts().items():
        here = geometry.units.positions.get(group, ())
        if layout is geometry.units or not here or (name == "bias" and geometry.split == "in"):
            continue
        (whole,) = module._parts(name, layout).values()
        index = torch.tensor(here, device=whole.device)
        if whole.index_select(dim, index).any():
            continue
        others = torch.tensor([i for i in range(whole.shape[dim]) if i not in set(here)], device=whole.device)
        deviation = _deviation({RETAIN: whole.index_select(dim, others)}, set())
        shape = [len(here) if i == dim else size for i, size in enumerate(whole.shape)]
        noise = deviation * torch.randn(shape, generator=generator, device="cpu")
        whole.index_copy_(dim, index, noise.to(whole))


def _restart(module: nn.Module, name: str, generator: torch.Generator) -> None:
    """A table or an adapter as it starts: zero, but for the factor that is random."""
    parameter = module._parameters[name]
    assert parameter is not None
    parameter.grad = None
    if name.startswith(ADAPTER) and name.endswith(A):
        noise = (torch.rand(parameter.shape, generator=generator, device="cpu") * 2 - 1) / parameter.shape[1] ** 0.5
    elif name.endswith(COLUMNS):
        noise = torch.randn(parameter.shape, generator=generator, device="cpu") / parameter.shape[0] ** 0.5
    else:
        noise = torch.zeros(parameter.shape)
    parameter.copy_(noise)
