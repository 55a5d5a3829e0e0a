"""Which engine, if any, shares the gradients of a forward pass between processes, and between which.

DDP is recognised while its ``forward`` runs, FSDP2 by the class of the modules that it shards; a loop that sums gradients
itself declares that with `gradmask.across_ranks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch.distributed as dist
from torch import Tensor, nn

from gradmask.distributed.ending import keep_group
from gradmask.errors import GradmaskError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@dataclass(frozen=True)
class Engine:
    """What shares the gradients of the pass that is running.

    ``share`` is this process and how many there are, counted over the data. ``syncs`` is False in a pass whose gradients stay
    on their rank for now (`DistributedDataParallel.no_sync`).
    """

    name: Literal["ddp", "fsdp2", "manual"]
    groups: tuple[ProcessGroup, ...]
    share: tuple[int, int]
    syncs: bool = True


def summed(tensor: Tensor, engine: Engine | None) -> Tensor:
    """The sum of a tensor over the processes that share the gradients of a pass, in place; a collective call."""
    for group in engine.groups if engine else ():
        dist.all_reduce(tensor, group=group)
    return tensor


def ddp_engine() -> Engine | None:
    """DDP, if one of its forward passes is running."""
    from torch.nn.parallel import DistributedDataParallel

    ddp = DistributedDataParallel._get_active_ddp_module()
    if ddp is None:
        return None
    group = ddp.process_group
    assert group is not None
    keep_group(ddp)
    return Engine("ddp", (group,), _share(group), ddp.require_backward_grad_sync)


def fsdp2_engine(modules: Sequence[nn.Module]) -> Engine | None:
    """FSDP2, if it shards any of these modules (see `fsdp_modules`)."""
    mesh = next((mesh for module in modules if (mesh := _mesh(module)) is not None), None)
    if mesh is None:
        return None
    rank = 0
    for dim, place in enumerate(mesh.get_coordinate()):
        rank = rank * mesh.size(dim) + place
    return Engine("fsdp2", tuple(mesh.get_group(dim) for dim in range(mesh.ndim)), (rank, mesh.size()))


def manual_engine(group: ProcessGroup) -> Engine:
    """A loop that sums gradients over ``group`` itself."""
    return Engine("manual", (group,), _share(group))


def fsdp_modules(model: nn.Module) -> list[nn.Module]:
    """The modules of ``model`` that FSDP2 shards, outermost first.

    Raises:
        GradmaskError: FSDP2 shards a module around the model, but none in it.
    """
    from torch.distributed.fsdp import FSDPModule

    modules = list(model.modules())
    sharded: list[nn.Module] = [module for module in modules if isinstance(module, FSDPModule)]
    if not sharded and any(getattr(module, "_is_fsdp_managed_module", False) for module in modules):
        raise GradmaskError(
            "FSDP2 shards a module around the partitioned model, but none in it: call fully_shard on the model's blocks and "
            "on the model itself, too"
        )
    return sharded


def _share(group: ProcessGroup) -> tuple[int, int]:
    return dist.get_rank(group), dist.get_world_size(group)


def _mesh(module: Any) -> Any:
    """The mesh over which FSDP2 shares the gradients of this module; tensor-parallel dimensions are not in it."""
    groups = param_groups(module)
    return groups[0].mesh_info.mesh if groups else None


def param_groups(module: Any) -> list[Any]:
    """What FSDP2 gathers and reduces together of a module that it shards."""
    state = module._get_fsdp_state()
    groups = getattr(state, "_fsdp_param_groups", None)
    if groups is None:  # earlier releases of PyTorch have one group and another name
        groups = [state._fsdp_param_group] if state._fsdp_param_group else []
    return list(groups)
