"""Layers whose weights are quantized: bitsandbytes, torchao, quanto and others replace the layer, or the tensor in it."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

QUANTIZERS = (
    "bitsandbytes",
    "torchao",
    "auto_gptq",
    "gptqmodel",
    "awq",
    "hqq",
    "quanto",
    "optimum",
    "compressed_tensors",
)
"""Packages whose tensors or layers hold quantized weights."""


def quantized_tensor(parameter: Tensor) -> bool:
    """Whether this is no ordinary floating-point tensor."""
    kind = type(parameter.data) if type(parameter) is nn.Parameter else type(parameter)
    return _package(kind) in QUANTIZERS or not (parameter.is_floating_point() or parameter.is_complex())


def is_quantized(module: nn.Module) -> bool:
    """Whether ``module`` itself, without its children, holds quantized weights.

    Some layers do not tell by their tensors (bitsandbytes may store 4-bit weights as bfloat16; GPTQ's are buffers), hence by
    the package too that they come from.
    """
    if _package(type(module)) in QUANTIZERS and is_linear(module):
        return True
    return any(quantized_tensor(p) for p in module._parameters.values() if p is not None)


def is_linear(module: nn.Module) -> bool:
    """Whether this is a linear layer: one of PyTorch or Transformers, or a quantizer's that says its sizes as they do."""
    if isinstance(module, (nn.Linear, Conv1D)):
        return True
    sizes = getattr(module, "in_features", None), getattr(module, "out_features", None)
    return _package(type(module)) in QUANTIZERS and all(type(size) is int for size in sizes)


def shape_of(module: nn.Module) -> tuple[int, int]:
    """The weight of a linear layer, ``(out, in)``, whatever the shape that it is stored in."""
    if is_quantized(module):
        return module.out_features, module.in_features  # type: ignore[bad-return]
    weight = cast(nn.Linear, module).weight  # not in `_parameters` where it is computed (a parametrization)
    rows, columns = weight.shape[:: -1 if isinstance(module, Conv1D) else 1]
    return rows, columns


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]
