"""The gradients that labels per token must have, from plain models whose modules know positions.

For each label, one pass over a plain copy in which every module runs twice: with its parameters, and with constants in
their place. The first output is taken at the positions that have the label, the second elsewhere; so the copy's
gradients are what the label's positions teach, times the weight that they teach each group with. Where a group does not run, the input columns that it owns of the
projections that write to the residual stream are multiplied by zero (and, where a norm mixes heads, its output rows).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

import gradmask as gm
from contract.atlas import TABLE, Atlas, survey
from contract.cases import Case, batch, total_loss
from contract.oracle import (
    Columns,
    Gradients,
    Ledger,
    closed,
    learning,
    passing,
    sides_of,
    silent_experts,
    tables_on,
    weighted,
)
from contract.variants import labels_of, silent
from gradmask.partitioning.owned.experts import RowWise

PROBE = (2, 11)
"""Sizes that no other dimension has, so that a module's output shows where it holds the batch and the sequence."""


@dataclass
class Passing:
    """What the patched modules of one pass need to know."""

    teaching: Tensor
    running: dict[str, Tensor]
    classes: list[tuple[Tensor, set[str]]]
    """Where each label is, and which groups do not run there."""
    axes: dict[str, tuple[int, ...]]
    gates: Columns
    passing: dict[str, Tensor]
    """Group -> how much gradient flows back through its units, at each position."""
    experts: dict[str, dict[str, dict[str, Tensor]]]
    routers: dict[str, Callable[[set[str]], list[int]]]
    """Router -> the experts that it must not choose where these groups do not run."""
    tables: dict[str, list[tuple[str, nn.Parameter]]] = field(default_factory=dict)


def token_gradients(case: Case, model: PreTrainedModel, inputs: dict[str, Tensor], labels: Tensor) -> Gradients:
    """One pass per label. ``labels``: ids ``[batch, sequence]``."""
    names = dict(enumerate(labels_of(model), -1))
    atlas, plain, tables = survey(model), *_without_tables(model)
    ledger, axes, gates, experts = Ledger(atlas), _axes(case, plain), sides_of(model, atlas), _experts(model, atlas)
    routers = {path: partial(_silent_at, model, path) for path in silent_experts(model, ())}
    classes = [(labels == label, silent(name, model)) for label, name in names.items()]
    running = {g: ~torch.stack([where & (g in gone) for where, gone in classes]).any(0) for g in atlas.names}
    through = {g: torch.ones(labels.shape, dtype=torch.float64) for g in atlas.names}
    for label, name in names.items():
        for group, weight in passing(model, name).items():
            through[group][labels == label] = weight
    for label, name in names.items():
        weights = learning(model, name)
        now = Passing(labels == label, running, classes, axes, gates, through, experts, routers)
        copied, added = _patched(plain, tables, now)
        total_loss(case, copied, inputs).backward()
        if now.teaching.any():
            ledger.add(copied, weights)
            for table, (group, parameter) in added.items():
                if parameter.grad is not None and weights[group]:
                    ledger.add_table(table, parameter.grad, weights[group])
    return ledger.gradients()


@torch.no_grad()
def _without_tables(model: PreTrainedModel) -> tuple[PreTrainedModel, dict[str, tuple[str, str, Tensor]]]:
    """A plain copy without own tables, and these: name -> group, the plain parameter's name, values."""
    bare = copy.deepcopy(model)
    values = {name: p.detach().clone() for name, p in bare.named_parameters() if TABLE in name}
    for name, parameter in bare.named_parameters():
        if name in values:
            parameter.zero_()
    plain = gm.unpartition(bare)
    return plain, {name: (group, twin, values[name]) for name, group, twin in tables_on(model, plain)}


def _experts(model: PreTrainedModel, atlas: Atlas) -> dict[str, dict[str, dict[str, Tensor]]]:
    """Module with experts or their router -> parameter -> what each group owns of it."""
    found = {}
    for path, module in model.named_modules():
        if isinstance(module, RowWise):
            entries = {name: atlas.groups[atlas.entries[f"{path}.{name}"]] for name in module.gradmask_layouts}
            found[path] = {n: {g: e == i for i, g in enumerate(atlas.names)} for n, e in entries.items()}
    return found


def _silent_at(model: PreTrainedModel, path: str, groups: set[str]) -> list[int]:
    return silent_experts(model, sorted(groups))[path]


def _axes(case: Case, plain: PreTrainedModel) -> dict[str, tuple[int, ...]]:
    """Where each module's output holds batch and sequence; one number where both are flattened into it."""
    found: dict[str, tuple[int, ...]] = {}
    size, length = PROBE

    def see(path: str, module: nn.Module, args: Any, out: Tensor) -> None:
        shape = tuple((out[0] if isinstance(out, tuple) else out).shape)
        if shape[0] == size * length:
            found[path] = (0,)
        elif shape[0] in (1, size) and length in shape:
            found[path] = (0, shape.index(length))

    probe = copy.deepcopy(plain)
    for path, module in probe.named_modules():
        if any(p is not None for p in module._parameters.values()):
            module.register_forward_hook(partial(see, path))
    with torch.no_grad():
        probe(**batch(case, size=size, length=length))
    return found


def _at(positions: Tensor, out: Tensor, axes: tuple[int, ...]) -> Tensor:
    """``[batch, sequence]`` spread over the dimensions of ``out``."""
    if len(axes) == 1:
        return positions.reshape(-1, *[1] * (out.dim() - 1))
    shape = [1] * out.dim()
    shape[axes[0]], shape[axes[1]] = positions.shape
    return positions.reshape(shape)


def _patched(
    plain: PreTrainedModel, tables: dict[str, tuple[str, str, Tensor]], passing: Passing
) -> tuple[PreTrainedModel, dict[str, tuple[str, nn.Parameter]]]:
    copied = copy.deepcopy(plain)
    added = {name: (group, nn.Parameter(values.clone())) for name, (group, _, values) in tables.items()}
    every, known = dict(copied.named_parameters(remove_duplicate=False)), dict(copied.named_parameters())
    for path, module in copied.named_modules():
        own = every.get(f"{path}.weight")
        mine = [added[name] for name, (_, twin, _) in tables.items() if own is not None and known[twin] is own]
        if isinstance(module, (nn.Embedding, nn.Linear)) and mine:
            passing.tables[path] = mine
        if path in passing.axes:
            module.forward = partial(_forward, module, path, passing)
    return copied, added


def _forward(module: nn.Module, path: str, passing: Passing, *args: Any, **kwargs: Any) -> Any:
    args = _muted(module, path, passing, "in", args)
    run: Callable[..., Any] = partial(type(module).forward, module, *args, **kwargs)
    out = _taught(module, dict(module._parameters), run, path, passing)
    if isinstance(out, tuple):
        return out
    (out,) = _muted(module, path, passing, "out", (out,))
    for group, table in passing.tables.get(path, ()):
        own = _taught(module, {**module._parameters, "weight": table, "bias": None}, run, path, passing)
        out = out + own * _at(passing.running[group], own, passing.axes[path])
    return out


def _taught(
    module: nn.Module, parameters: dict[str, Tensor | None], run: Callable[[], Any], path: str, passing: Passing
) -> Any:
    """The output with live parameters where the label is, with constants elsewhere."""
    before, axes = dict(module._parameters), passing.axes[path]
    constants = {name: None if p is None else p.detach() for name, p in parameters.items()}
    try:
        outputs = []
        for values in (parameters, constants):
            module._parameters.update({name: values[name] for name in before})  # type: ignore[misc]
            outputs.append(run() if path not in passing.experts else _by_class(module, path, run, passing))
    finally:
        module._parameters.update(before)
    return _choose(passing.teaching, *outputs, axes)


def _by_class(module: nn.Module, path: str, run: Callable[[], Any], passing: Passing) -> Any:
    """Experts: the output of each label's positions with the parameters of the groups that do not run there at zero."""
    full, out = dict(module._parameters), run()
    for where, gone in passing.classes:
        for name, owned in passing.experts[path].items():
            kept = ~torch.stack([owned[group] for group in owned if group in gone] or [owned["retain"] & False]).any(0)
            module._parameters[name] = full[name] * kept  # type: ignore[assignment, operator]
        with closed(passing.routers[path](gone)) if path in passing.routers else nullcontext():
            out = _choose(where, run(), out, passing.axes[path])
    module._parameters.update(full)
    return out


def _choose(where: Tensor, first: Any, second: Any, axes: tuple[int, ...]) -> Any:
    """The first output at some positions, the second elsewhere."""
    if isinstance(first, tuple):
        return tuple(_choose(where, a, b, axes) for a, b in zip(first, second, strict=True))
    return torch.where(_at(where, first, axes), first, second)


def _muted(module: nn.Module, path: str, passing: Passing, side: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    where, columns = passing.gates.get(path, ("", {}))
    if where != side:
        return values
    x, *rest = values
    for group, owned in columns.items():
        kept = _at(passing.running[group], x, passing.axes[path])
        x = x * (kept | ~owned)
    if side == "in" and any((through != 1).any() for through in passing.passing.values()):
        factors = [_at(through, x, passing.axes[path]) * columns[group] for group, through in passing.passing.items()]
        x = weighted(x, torch.stack(factors).sum(0))
    return x, *rest
