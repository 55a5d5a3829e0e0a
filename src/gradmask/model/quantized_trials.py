"""Layers with quantized weights, tried one of each kind: can adapters be trained on them, and do they keep rows apart?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures.quantized import is_linear, shape_of
from gradmask.partitioning.owned.owning import owned_class
from gradmask.partitioning.owned.quantized import OwnedQuantized


def mixing_of_rows(layers: Mapping[str, nn.Module], dtype: torch.dtype) -> str | None:
    """Try one layer of each kind; which layer computes a row by what else is in the batch, in words (None: none does).

    Raises:
        GradmaskError: a layer that adapters cannot be trained on.
    """
    mixing = None
    for path, layer in _kinds(layers):
        _check_layer(path, layer, dtype)
        if mixing is None and _mixes_rows(layer, dtype):
            mixing = f"{path} ({_described(layer)}) computes each token by what else is in the batch"
    return mixing


def _check_layer(path: str, layer: nn.Module, dtype: torch.dtype) -> None:
    """Raise where a layer cannot carry adapters: kernels that only infer give its inputs no gradient, some without a word."""
    reason = None if _can_be_owned(layer) else "cannot be extended, by how its class is laid out in memory"
    reason = reason or _fault(layer, dtype)
    if reason is not None:
        raise GradmaskError(
            f"{path} is a quantized layer ({_described(layer)}) that {reason}, so adapters cannot be trained on it. Open the "
            "model anew with weights alone quantized, by bitsandbytes (4 or 8 bits) or torchao (Int8WeightOnlyConfig), and "
            "partition it before its first forward pass"
        )


def _kinds(layers: Mapping[str, nn.Module]) -> Iterator[tuple[str, nn.Module]]:
    seen: set[tuple[Any, ...]] = set()
    for path, layer in layers.items():
        weight = layer._parameters.get("weight")
        kind = type(layer), type(None if weight is None else weight.data), getattr(weight, "dtype", None)
        if is_linear(layer) and kind not in seen and not any(p.is_meta for p in layer.parameters()):
            seen.add(kind)
            yield path, layer


def _described(layer: nn.Module) -> str:
    weight = layer._parameters.get("weight")
    kind = type(weight.data if type(weight) is nn.Parameter else weight)
    return type(layer).__name__ if weight is None else f"{type(layer).__name__} with a {kind.__name__}"


def _can_be_owned(layer: nn.Module) -> bool:
    try:
        type(layer).__new__(type(layer)).__class__ = owned_class(type(layer), OwnedQuantized, ())
    except TypeError:
        return False
    return True


@torch.no_grad()
def _mixes_rows(layer: nn.Module, dtype: torch.dtype) -> bool:
    """Whether a row's outputs depend on the other rows: one row is made large, and the others must keep every bit."""
    x = _made_up(layer, dtype)
    before = layer(x)[1:].clone()
    x[0] *= 100
    return not torch.equal(layer(x)[1:], before)


def _made_up(layer: nn.Module, dtype: torch.dtype) -> Tensor:
    device = next(iter((*layer.parameters(), *layer.buffers()))).device
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, shape_of(layer)[1], generator=generator, device="cpu").to(device, dtype)


def _fault(layer: nn.Module, dtype: torch.dtype) -> str | None:
    """What is wrong with the gradient of a layer's input, in words; None: nothing.

    A linear layer takes x to ``y = W x + b``, and the gradient of ``r · y`` is ``W.T r``; so with ``r = W x`` it must be
    ``x · W.T r = r · r``. Quantized inputs round, so a tenth is allowed.
    """
    try:
        with torch.enable_grad():
            x = _made_up(layer, dtype).requires_grad_()
            y = layer(x)
            with torch.no_grad():
                r = y - layer(torch.zeros_like(x))
            if not y.requires_grad:
                return "gives no gradient to its inputs"
            (gradient,) = torch.autograd.grad(y, x, r)
    except Exception as error:
        return f"cannot be trained through ({type(error).__name__}: {error})"
    given, needed = (float((a.float() * b.float()).sum()) for a, b in ((x.detach(), gradient), (r, r)))
    if abs(given - needed) <= 0.1 * abs(needed):
        return None
    return "gives a wrong gradient to its inputs"
