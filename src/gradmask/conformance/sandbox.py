"""Changing a model for a check, and restoring it bit for bit."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradmask.model.attached import gradmask_of


@contextmanager
def untouched(model: nn.Module, optimizer: Optimizer | None = None) -> Iterator[None]:
    """Restore, bit for bit: parameters, gradients, buffers, modes, routing, optimizer state, random number generators.

    Within, no cache is filled: recurrent models (RWKV) change their state in place then, and refuse gradients in evaluation mode.
    """
    random_states = _random_states()
    tensors = [*model.parameters(), *model.buffers()]
    values = [tensor.detach().clone() for tensor in tensors]
    gradients = [parameter.grad for parameter in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    caching = _caching(model)
    routing = _routing(model)
    optimizing = _optimizer_state(optimizer) if optimizer is not None else None
    gradmask_of(model).labeler = gradmask_of(model).router.in_advance = None
    gradmask_of(model).context.labels_required = False  # what a pass without labels does is checked, too
    gradmask_of(model).guarded = False  # as is what a wrong step does
    try:
        model.zero_grad(set_to_none=True)
        for config in caching.values():
            config.use_cache = False
        yield
    finally:
        for config in caching.values():
            config.use_cache = True
        with torch.no_grad():
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.grad = gradient
        for module, training in modes:
            module.training = training
        gradmask_of(model).guarded = True
        _restore_routing(model, routing)
        if optimizer is not None and optimizing is not None:
            _restore_optimizer(optimizer, optimizing)
        _restore_random_states(random_states)


def _caching(model: nn.Module) -> dict[int, Any]:
    """The configurations by which the model fills a cache, each once."""
    configs = [getattr(module, "config", None) for module in model.modules()]
    return {id(config): config for config in configs if getattr(config, "use_cache", None) is True}


@contextmanager
def kept(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Restore the values of parameters afterwards."""
    before = [(parameter, parameter.detach().clone()) for parameter in parameters]
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in before:
                parameter.copy_(value)


@contextmanager
def changed(parameters: Sequence[nn.Parameter], scale: Callable[[nn.Parameter], float]) -> Iterator[None]:
    """Add noise to parameters for a while, of the standard deviation that ``scale`` gives to each; the same noise every time."""
    generator = torch.Generator().manual_seed(0)
    with kept(parameters):
        with torch.no_grad():
            for parameter in parameters:
                noise = torch.randn(parameter.shape, generator=generator, device="cpu") * scale(parameter)
                parameter.add_(noise.to(parameter.device, parameter.dtype))
        yield


def _routing(model: nn.Module) -> tuple[Any, ...]:
    gradmask = gradmask_of(model)
    context = gradmask.context
    kept = (
        gradmask.labeler,
        gradmask.router.draws,
        gradmask.router.in_advance,
        frozenset(gradmask.taught),
        gradmask.stepped,
    )
    return (*kept, context.removed, context.labels_required, dict(context.strength))


def _restore_routing(model: nn.Module, routing: tuple[Any, ...]) -> None:
    gradmask = gradmask_of(model)
    context = gradmask.context
    router = gradmask.router
    gradmask.labeler, router.draws, router.in_advance, taught, gradmask.stepped, *rest = routing
    context.removed, context.labels_required, strength = rest
    gradmask.taught = set(taught)
    context.strength.clear()
    context.strength.update(strength)
    context.refresh()


def _optimizer_state(optimizer: Optimizer) -> tuple[dict[Any, Any], list[dict[str, Any]]]:
    state = {
        p: {k: v.clone() if isinstance(v, Tensor) else v for k, v in s.items()} for p, s in optimizer.state.items()
    }
    settings = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    return state, settings


def _restore_optimizer(optimizer: Optimizer, saved: tuple[dict[Any, Any], list[dict[str, Any]]]) -> None:
    state, settings = saved
    optimizer.state.clear()
    optimizer.state.update(state)
    for group, values in zip(optimizer.param_groups, settings, strict=True):
        group.update(values)


def _random_states() -> tuple[Any, ...]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    return torch.get_rng_state(), cuda, random.getstate(), np.random.get_state()


def _restore_random_states(states: tuple[Any, ...]) -> None:
    cpu, cuda, python, numpy = states
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state_all(cuda)
    random.setstate(python)
    np.random.set_state(numpy)


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal bit for bit; NaN, which is not equal to itself, is here."""
    if hasattr(one, "__tensor_flatten__"):  # quantized: several tensors that pass for one
        names, other_names = one.__tensor_flatten__()[0], other.__tensor_flatten__()[0]  # type: ignore
        return names == other_names and all(same_bits(getattr(one, n), getattr(other, n)) for n in names)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.equal(one, other) or torch.equal(_bytes(one), _bytes(other))


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)
