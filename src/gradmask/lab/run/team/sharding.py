"""FSDP2 around a model: which modules are sharded, and the whole of what is sharded."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.lab.recipe.spec import TrainSpec
from gradmask.lab.run.team.starting import wants_fsdp2
from gradmask.lab.run.team.team import here


def engine_of(train: TrainSpec) -> str:
    """``ddp`` or ``fsdp2``: as the recipe says, or the launcher where the recipe leaves it open; empty for one process alone."""
    if here().world == 1:
        return ""
    return train.engine or ("fsdp2" if wants_fsdp2() else "ddp")


def blocks(model: PreTrainedModel) -> list[nn.Module]:
    """The modules that are gathered one at a time: the model's blocks, by what Transformers says must not be split.

    Raises:
        GradmaskError: the model has none.
    """
    names = set(model._no_split_modules or ())
    found = [module for module in model.modules() if _plain_name(module) in names]
    inner = {id(module) for outer in found for module in outer.modules() if module is not outer}
    if not found:
        raise GradmaskError(
            f"{type(model).__name__} does not say what its blocks are, so FSDP2 would gather all of it at once: use "
            "train.engine=ddp"
        )
    return [module for module in found if id(module) not in inner]


def _plain_name(module: nn.Module) -> str:
    return type(module).__name__.removeprefix("FSDP")


def shard(model: PreTrainedModel, train: TrainSpec) -> PreTrainedModel:
    """Shard a model over all processes, in place; its parameters become this process's parts, on this process's device."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    kind = "cuda" if torch.cuda.is_available() and dist.get_backend_config().find("nccl") >= 0 else "cpu"
    settings: dict[str, Any] = {"mesh": init_device_mesh(kind, (here().world,))}
    if train.precision == "bf16":
        settings["mp_policy"] = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for block in blocks(model):
        fully_shard(block, **settings)
    fully_shard(model, **settings)
    return model


def sharded(model: nn.Module) -> bool:
    """Whether FSDP2 shards the model."""
    return any(hasattr(p, "full_tensor") for p in model.parameters())


def let_go(model: nn.Module) -> None:
    """Free what FSDP2 gathered of the model while it was measured, as it must be freed: in inference mode, too."""
    with torch.inference_mode():
        for module in model.modules():
            if hasattr(module, "set_requires_gradient_sync"):
                cast(Any, module).reshard()


def whole(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be sharded; a collective call where it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor that may be sharded."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


@torch.no_grad()
def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """The state dict of a sharded model, whole, on the CPU of the first process; empty on the others. A collective call."""
    state = {}
    for name, tensor in model.state_dict().items():
        full = whole(tensor)
        if here().first:
            state[name] = full.cpu()
    return state
