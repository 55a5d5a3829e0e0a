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
        mine: those of this rank.
        names: all names, in the same order on every rank.
        groups: one process group, or one for each dimension of a mesh.
    """
    groups = [group for group in groups if dist.get_world_size(group) > 1]
    if not groups:
        return frozenset(mine), frozenset(mine)
    # Two bits a name, so that one maximum answers both: on some rank (max of yes), on every rank (no max of no).
    # "Every" is needed where ranks differ: FSDP2 must then reduce at the same moment on all (`ranks`).
    present = [name in mine for name in names]
    bits = torch.tensor([present, [not bit for bit in present]], dtype=torch.int32, device=_device(groups[0]))
    for group in groups:
        dist.all_reduce(bits, dist.ReduceOp.MAX, group=group)
    yes, no = bits.tolist()
    some = frozenset(name for name, bit in zip(names, yes, strict=True) if bit)
    return some, some - {name for name, bit in zip(names, no, strict=True) if bit}


def _device(group: ProcessGroup) -> torch.device:
    """The CPU where the process group has a backend for it, so that nothing waits for an accelerator."""
    accelerator = torch.accelerator.current_accelerator()
    if accelerator is None or "cpu:" in dist.get_backend_config(group):
        return torch.device("cpu")
    return torch.device(accelerator.type, torch.accelerator.current_device_index())
