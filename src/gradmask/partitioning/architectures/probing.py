"""Proving on a model's own block that a set of rows and columns is a unit: a head, or a hidden neuron."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures.sites import AttentionSite, MlpSite, Projection

Entries = tuple[nn.Parameter, int, list[int]]
"""Positions along one dimension of a parameter."""


@dataclass(frozen=True)
class Traced:
    """A block with the inputs that it got in a short pass, and the output shapes of its modules with parameters."""

    name: str
    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shapes: dict[str, torch.Size]

    def run(self) -> Tensor:
        """The block's output for those inputs; caches are copied, so that every run is the first."""
        out = self.module(*copy.deepcopy(self.args), **copy.deepcopy(self.kwargs))
        return out[0] if isinstance(out, tuple) else out


@torch.no_grad()
def trace(model: PreTrainedModel, blocks: dict[str, nn.Module]) -> tuple[list[Traced], int]:
    """Run the model on a few tokens and keep what each block was called with; also the number of tokens.

    Raises:
        GradmaskError: the model cannot be run on its dummy inputs.
    """
    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
    shapes: dict[str, dict[str, torch.Size]] = {name: {} for name in blocks}
    hooks = []
    for name, block in blocks.items():
        hooks.append(block.register_forward_pre_hook(partial(_keep_call, calls, name), with_kwargs=True))
        for path, module in block.named_modules():
            if module._parameters:
                hooks.append(module.register_forward_hook(partial(_keep_shape, shapes[name], path)))
    inputs = {key: value.to(model.device) for key, value in model.dummy_inputs.items()}
    training = model.training
    try:
        model.eval()(**inputs)
    except Exception as error:
        raise GradmaskError(
            f"architecture='infer' runs {type(model).__name__} on a few tokens to see what its layers do, and that failed "
            f"({type(error).__name__}: {error}): declare it with gm.Architecture instead"
        ) from error
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    traced = [Traced(name, blocks[name], *call, shapes[name]) for name, call in calls.items()]
    return traced, inputs["input_ids"].shape[1]


def _keep_call(calls: dict[str, Any], name: str, module: nn.Module, args: Any, kwargs: Any) -> None:
    calls[name] = copy.deepcopy((args, kwargs))


def _keep_shape(shapes: dict[str, torch.Size], path: str, module: nn.Module, args: Any, out: Any) -> None:
    if isinstance(out, Tensor):
        shapes[path] = out.shape


@torch.no_grad()
def proves(block: Traced, site: AttentionSite | MlpSite) -> bool:
    """Whether units of ``site`` are units: with their columns at zero, their rows reach nothing; with their rows at zero,
    their columns read nothing (attention only: an activation may make something of zero); and both matter otherwise."""
    *inputs, output = site.projections
    units = list(range(site.repeats if isinstance(site, AttentionSite) else min(8, site.total)))  # one may be dead
    rows = [entries for p in inputs for entries in _entries(p, site.positions(p, units))]
    columns = _entries(output, site.positions(output, units))
    if isinstance(site, AttentionSite) and site.mixes_heads:
        rows_alone = [e for p in inputs if p.packing == "v" for e in _entries(p, site.positions(p, units))]
    else:
        rows_alone = rows
    with _restored([parameter for parameter, _, _ in (*rows, *columns)]) as restore:
        plain = block.run()
        for written in (rows_alone, columns):
            _fill(written, torch.randn_like)
            if torch.equal(block.run(), plain):
                return False
            restore()
        pairs = [(columns, rows_alone), (rows, columns)][: 2 if isinstance(site, AttentionSite) else 1]
        for zeroed, written in pairs:
            _fill(zeroed, torch.zeros_like)
            silent = block.run()
            _fill(written, torch.randn_like)
            if not torch.equal(block.run(), silent):
                return False
            restore()
    return True


def _entries(projection: Projection, positions: list[int]) -> list[Entries]:
    weight, bias = projection.module._parameters["weight"], projection.module._parameters.get("bias")
    assert weight is not None
    entries = [(weight, int((projection.split == "in") != projection.transposed), positions)]
    return [*entries, (bias, 0, positions)] if bias is not None and projection.split == "out" else entries


def _fill(entries: Sequence[Entries], make: Callable[[Tensor], Tensor]) -> None:
    for parameter, dim, positions in entries:
        index = torch.tensor(positions, device=parameter.device)
        parameter.index_copy_(dim, index, make(parameter.index_select(dim, index)))


@contextmanager
def _restored(parameters: Sequence[nn.Parameter]) -> Iterator[Callable[[], None]]:
    before = [parameter.clone() for parameter in parameters]

    def restore() -> None:
        for parameter, values in zip(parameters, before, strict=True):
            parameter.copy_(values)

    try:
        yield restore
    finally:
        restore()
