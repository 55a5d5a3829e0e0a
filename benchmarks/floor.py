"""The floor of a forget step on this machine: the plain step less what it makes for the parameters that do not learn."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.common import median_of


def unneeded_seconds(model: nn.Module, tokens: int, dtype: torch.dtype, head: bool = True, repeats: int = 5) -> float:
    """Seconds that the weight-gradient products and the optimizer take alone, of every linear layer of ``model``.

    The products are counted by shape, and each shape is timed once, in the precision in which the step computes.
    """
    shapes: dict[tuple[int, int], int] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear) and (head or "head" not in name):
            key = (layer.out_features, layer.in_features)
            shapes[key] = shapes.get(key, 0) + 1
    products = sum(count * _product_seconds(shape, tokens, dtype, repeats) for shape, count in shapes.items())
    return products + _optimizer_seconds(model, repeats)


def _product_seconds(shape: tuple[int, int], tokens: int, dtype: torch.dtype, repeats: int) -> float:
    dy, x = (torch.randn(tokens, size).to(dtype) for size in shape)
    return median_of(lambda: dy.t() @ x, repeats)


def _optimizer_seconds(model: nn.Module, repeats: int) -> float:
    parameters = [nn.Parameter(p.detach().clone()) for p in model.parameters()]
    for p in parameters:
        p.grad = torch.zeros_like(p)
    return median_of(torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.1, fused=True).step, repeats)
