"""One small collective: which groups learn on some rank, and which on every rank."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def agree(
    mine: Collection[str], names: Sequence[str], groups: Sequence[ProcessGroup]
) -> tuple[frozenset[str], frozenset[str]]:
    """Those of ``names`` that are in ``mine`` on at least one rank, and those that are on every rank; a collective call.

    Args:
        mine: what this rank says.
        names: all there are, in the same order on every rank.
        groups: one process group, or one for each dimension of a mesh.
    """
    groups = [group for group in groups if dist.get_world_size(group) > 1]
    if not groups:
        return frozenset(mine), frozenset(mine)
    said = [name in mine for name in names]
    bits = torch.tensor([said, [not bit for bit in said]], dtype=torch.int32, device=_device(groups[0]))
    for group in groups:
        dist.all_reduce(bits, dist.ReduceOp.MAX, group=group)
    yes, no = bits.tolist()
    some = frozenset(name for name, bit in zip(names, yes, strict=True) if bit)
    return some, some - {name for name, bit in zip(names, no, strict=True) if bit}


def _device(group: ProcessGroup) -> torch.device:
    """The CPU where the group's backends can, so that no accelerator has to be waited for."""
    accelerator = torch.accelerator.current_accelerator()
    if accelerator is None or "cpu:" in dist.get_backend_config(group):
        return torch.device("cpu")
    return torch.device(accelerator.type, torch.accelerator.current_device_index())
