"""The tensors of a model and of an optimizer, by name, as a sharded checkpoint holds them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from gradmask.errors import GradmaskError

MODEL, OPTIMIZER = "model/", "optimizer/"
WRAPPERS = ("_checkpoint_wrapped_module.", "_orig_mod.", "module.")


def plain_name(name: str) -> str:
    """A parameter's name without those of wrappers around its modules."""
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter, part by part, and every buffer that checkpoints keep."""
    kept = {
        f"{path}.{name}" if path else name: buffer
        for path, module in model.named_modules()
        for name, buffer in module._buffers.items()
        if buffer is not None and name not in module._non_persistent_buffers_set
    }
    return {plain_name(name): tensor for name, tensor in {**dict(model.named_parameters()), **kept}.items()}


def optimizer_state(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """``<parameter>/<entry>`` -> a tensor of the optimizer's state.

    Raises:
        GradmaskError: an entry is not a tensor.
    """
    state = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            if not isinstance(value, Tensor):
                raise GradmaskError(
                    f"{type(optimizer).__name__} keeps {key!r} as {type(value).__name__}, but a sharded checkpoint holds "
                    "only tensors: use an optimizer whose state is tensors, or save its state_dict yourself"
                )
            state[f"{plain_name(name)}/{key}"] = value if value.dim() else value.reshape(1)
    return state


def optimizer_slots(
    model: nn.Module, optimizer: Optimizer, saved: Mapping[str, TensorStorageMetadata]
) -> dict[str, Tensor]:
    """Empty tensors, sharded as their parameters are, for what was saved of the optimizer's state."""
    owned = {id(p) for group in optimizer.param_groups for p in group["params"]}
    parameters = {plain_name(name): p for name, p in model.named_parameters() if id(p) in owned}
    slots: dict[str, Tensor] = {}
    for key, entry in saved.items():
        if not key.startswith(OPTIMIZER):
            continue
        parameter = parameters.get(key.removeprefix(OPTIMIZER).rpartition("/")[0])
        if parameter is None:
            raise GradmaskError(f"the checkpoint holds {key}, but the optimizer has no such parameter")
        if entry.size == parameter.shape and not key.endswith("/step"):
            slots[key] = torch.empty_like(parameter, dtype=entry.properties.dtype, requires_grad=False)
        else:
            slots[key] = torch.empty(entry.size, dtype=entry.properties.dtype)
    return slots


def fill_optimizer(model: nn.Module, optimizer: Optimizer, slots: Mapping[str, Tensor]) -> None:
    """Put what was read into ``slots`` into the optimizer's state."""
    parameters = {plain_name(name): p for name, p in model.named_parameters()}
    # AdamW keeps its step count on the CPU, unless it is fused or capturable
    on_device = {
        id(p): group.get("fused") or group.get("capturable")
        for group in optimizer.param_groups
        for p in group["params"]
    }
    optimizer.state.clear()
    for key, value in slots.items():
        name, _, entry = key.removeprefix(OPTIMIZER).rpartition("/")
        parameter = parameters[name]
        if entry == "step":
            value = value.reshape(()).to(parameter.device if on_device[id(parameter)] else "cpu")
        elif not isinstance(value, DTensor):
            value = value.to(parameter.device)
        optimizer.state[parameter][entry] = value
