"""What belongs to proven units beside the layers that make and read them: sinks, decay rates, channels, scales, more rows.

No names are known: every parameter around a site whose size fits is tried, and proven on the model's own block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from posixpath import commonpath

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from gradmask.partitioning.architectures.declaration import Attention, Mlp
from gradmask.partitioning.architectures.probing import entries_of, filled, restored, silence, tried_units
from gradmask.partitioning.architectures.sites import AttentionSite, DenseSite, Entries, Projection, fitting_packings
from gradmask.partitioning.architectures.tracing import Traced


@torch.no_grad()
def with_what_stands_beside(spec: Attention | Mlp, site: DenseSite, block: Traced, taken: set[str]) -> Attention | Mlp:
    """The declaration of a proven site, with the entries that its units have of other parameters, and further rows.

    A parameter is a unit's if, with the unit silent, random numbers in its entries change no bit of the block's output, and
    with the unit awake they do. ``taken`` are the layers of other sites, and gets what is found here.
    """
    silent, plain = _silent_output(block, site), block.run()
    for path, owner, parameter in list(_around(block.module, spec, taken)):
        each = _proven(block, site, path, owner, parameter, silent, plain)
        if each is None:
            continue
        if isinstance(each, Projection) and isinstance(spec, Attention):
            taken.add(path.rpartition(".")[0])
            spec = replace(spec, inputs={**spec.inputs, path.rpartition(".")[0]: each.packing})
        elif isinstance(each, Entries):
            taken.add(path)
            known = {**spec.entries, path: each.packing} if isinstance(spec, Attention) else (*spec.entries, path)
            spec = replace(spec, entries=known)  # type: ignore[bad-argument-type]
    return spec


def _around(block: nn.Module, spec: Attention | Mlp, taken: set[str]) -> Iterator[tuple[str, nn.Module, nn.Parameter]]:
    """The parameters in the smallest module that holds a site's layers, without those of other sites."""
    scope = commonpath([path.replace(".", "/") for path in spec.paths]).replace("/", ".")
    for path, module in block.named_modules():
        inside = not scope or path == scope or path.startswith(f"{scope}.")
        if not inside or path in taken or isinstance(module, nn.Embedding):
            continue
        for name, parameter in module._parameters.items():
            whole = f"{path}.{name}" if path else name
            if parameter is not None and parameter.is_floating_point() and whole not in taken:
                yield whole, module, parameter


def _proven(
    block: Traced, site: DenseSite, path: str, owner: nn.Module, parameter: nn.Parameter, silent: Tensor, plain: Tensor
) -> Entries | Projection | None:
    """The parameter as what it is of the units, by the first packing that is proven."""
    layer, _, name = path.rpartition(".")
    called = layer in block.shapes and layer not in block.read_past
    routed = called and isinstance(owner, (nn.Linear, Conv1D))
    if routed and type(owner).forward not in (nn.Linear.forward, Conv1D.forward):
        return None  # quantized, or of another kind
    if routed and (name != "weight" or not isinstance(site, AttentionSite)):
        return None  # a bias goes with its weight
    dim = int(isinstance(owner, Conv1D)) if routed else Entries("", owner, "", parameter).dim
    for packing in fitting_packings(site, parameter.shape[dim] if parameter.dim() else 0):
        each: Entries | Projection = (
            Projection(path, owner, "out", parameter.shape[dim], packing)
            if routed
            else Entries(path, owner, packing, parameter)
        )
        if _belongs(block, site, each, silent, plain):
            return each
    return None


def _belongs(block: Traced, site: DenseSite, each: Entries | Projection, silent: Tensor, plain: Tensor) -> bool:
    entries = entries_of(each, site.positions(each, tried_units(site)))
    if any(not positions for _, _, positions in entries):
        return False
    with restored([*(p for p, _, _ in entries), *_silenced(site)]) as restore:
        silence(site)
        filled(entries, torch.randn_like)
        if not torch.equal(block.run(), silent):
            return False
        restore()
        filled(entries, torch.randn_like)
        return not torch.equal(block.run(), plain)


def _silent_output(block: Traced, site: DenseSite) -> Tensor:
    with restored(_silenced(site)):
        silence(site)
        return block.run()


def _silenced(site: DenseSite) -> list[nn.Parameter]:
    return [p for projection in site.projections for p in projection.module.parameters(recurse=False)]
