"""What ranks do together when a checkpoint is written."""

from __future__ import annotations

from collections.abc import Mapping

import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor


def gathered(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A sharded state dict as full tensors, on the CPU of the first rank; empty on the others. A collective call."""
    wholes = {}
    for name, tensor in state.items():
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        if first_rank():
            wholes[name] = whole.cpu()
    return wholes


def is_sharded(state: Mapping[str, Tensor]) -> bool:
    """Whether FSDP2 shards these tensors over ranks."""
    return any(isinstance(tensor, DTensor) for tensor in state.values())


def first_rank() -> bool:
    """Whether this process writes the files that are written once."""
    return not dist.is_initialized() or dist.get_rank() == 0


def wait_for_ranks() -> None:
    """Wait for all ranks."""
    if dist.is_initialized():
        dist.barrier()
