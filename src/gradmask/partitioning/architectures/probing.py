"""Proving on a model's own block that a set of rows and columns is a unit: a head, or a hidden neuron."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from gradmask.partitioning.architectures.sites import AttentionSite, Entries as Beside, MlpSite, Projection
from gradmask.partitioning.architectures.tracing import Traced

Entries = tuple[nn.Parameter, int, list[int]]
"""Positions along one dimension of a parameter."""

Proof = Literal["units", "values", "scale", "silence"]
PROOFS: tuple[Proof, ...] = ("units", "values", "scale", "silence")
"""From the strongest to the weakest, see `proves`."""


@torch.no_grad()
def proves(block: Traced, site: AttentionSite | MlpSite, proof: Proof = "units") -> bool:
    """Whether units of ``site`` are units, by what changed weights change in the block's output.

    Always: their rows matter, and so do their columns. Then, by ``proof``:

    - ``units``: with their columns at zero, their rows reach nothing, and, in an attention, the other way round (an
      activation may make something of zero);
    - ``values``: the same, but only the rows of values reach nothing else (a norm over all heads mixes queries and keys);
    - ``silence``: with their rows at zero, their columns read nothing (a norm over all units, or a scan, mixes whatever they
      make, so they must be silent before it);
    - ``scale``: that, and their rows change what other heads hand to the output projection by one factor alone (a norm).

    The model is in evaluation mode; weights are changed, and restored.
    """
    *inputs, output = site.projections
    units = tried_units(site)
    if proof in ("units", "values") and len(units) == site.total > 1 and not _reads_alone(block, site):
        return False
    rows = [entries for p in inputs for entries in entries_of(p, site.positions(p, units))]
    columns = entries_of(output, site.positions(output, units))
    valued = [e for p in inputs if p.packing == "v" for e in entries_of(p, site.positions(p, units))]
    rows_alone = (valued or rows) if proof == "values" else rows
    both = proof == "values" or (proof == "units" and isinstance(site, AttentionSite))
    weak = proof in ("scale", "silence")
    pairs = [(columns, rows_alone)] * (not weak) + [(rows, columns)] * (both or weak)
    with restored([parameter for parameter, _, _ in (*rows, *columns)]) as restore:
        plain = block.run()
        if not torch.equal(block.run(), plain):
            return False  # other outputs in every call: nothing can be proven
        for written in (rows_alone, columns):
            filled(written, torch.randn_like)
            if torch.equal(block.run(), plain):
                return False
            restore()
        if proof == "scale" and not _scales(block, site, rows):
            return False
        restore()
        for zeroed, written in pairs:
            filled(zeroed, torch.zeros_like)
            silent = block.run()
            filled(written, torch.randn_like)
            if not torch.equal(block.run(), silent):
                return False
            restore()
    return True


def _reads_alone(block: Traced, site: AttentionSite | MlpSite) -> bool:
    """Whether the first of several query heads that share one key-value head reaches nothing but its columns.

    All heads at once say little: an MLP that is taken for an attention is silent, too, where all of its rows are zeros.
    """
    *inputs, output = site.projections
    queries = [entries for p in inputs for entries in entries_of(p, site.positions(p, [0]))]
    columns = entries_of(output, site.positions(output, [0]))
    with restored([parameter for parameter, _, _ in (*queries, *columns)]):
        filled(columns, torch.zeros_like)
        silent = block.run()
        filled(queries, torch.randn_like)
        return torch.equal(block.run(), silent)


def tried_units(site: AttentionSite | MlpSite) -> list[int]:
    """The heads of the first key-value group; of neurons several, since one may be dead, and far apart, since a layer between
    may mix neighbours alone (the gates of RG-LRU work in blocks): all of a block would look like a unit.
    """
    if isinstance(site, AttentionSite):
        return list(range(site.repeats))
    count = min(8, site.total)
    return [i * site.total // count for i in range(count)]


def silence(site: AttentionSite | MlpSite) -> None:
    """Make the first units of ``site`` silent, as those of a group are that does not run: without columns, and, where
    something mixes units, without rows."""
    *inputs, output = site.projections
    units = tried_units(site)
    filled(entries_of(output, site.positions(output, units)), torch.zeros_like)
    for p in inputs if site.mixes else ():
        filled(entries_of(p, site.positions(p, units)), torch.zeros_like)


def _scales(block: Traced, site: AttentionSite | MlpSite, rows: Sequence[Entries]) -> bool:
    """Whether changed rows of the first heads leave the direction of what each other head hands on as it was."""
    assert isinstance(site, AttentionSite)
    read: list[Tensor] = []
    hook = site.projections[-1].module.register_forward_pre_hook(lambda _, args: read.append(args[0].clone()))
    try:
        block.run()
        filled(rows, torch.randn_like)
        block.run()
    finally:
        hook.remove()
    before, after = (
        torch.nn.functional.normalize(x.unflatten(-1, (site.heads, -1))[..., site.repeats :, :].float(), dim=-1)
        for x in read[:2]
    )
    return torch.allclose(before, after, rtol=1e-3, atol=1e-4)


def entries_of(projection: Projection | Beside, positions: list[int]) -> list[Entries]:
    if isinstance(projection, Beside):
        return [(projection.parameter, projection.dim, positions)]
    weight, bias = projection.module._parameters["weight"], projection.module._parameters.get("bias")
    assert weight is not None
    entries = [(weight, int((projection.split == "in") != projection.transposed), positions)]
    return [*entries, (bias, 0, positions)] if bias is not None and projection.split == "out" else entries


def filled(entries: Sequence[Entries], make: Callable[[Tensor], Tensor]) -> None:
    for parameter, dim, positions in entries:
        index = torch.tensor(positions, dtype=torch.long, device=parameter.device)
        parameter.index_copy_(dim, index, make(parameter.index_select(dim, index)))


@contextmanager
def restored(parameters: Sequence[nn.Parameter]) -> Iterator[Callable[[], None]]:
    before = [parameter.clone() for parameter in parameters]

    def restore() -> None:
        for parameter, values in zip(parameters, before, strict=True):
            parameter.copy_(values)

    try:
        yield restore
    finally:
        restore()
