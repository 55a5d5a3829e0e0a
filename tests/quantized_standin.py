"""A linear layer with quantized weights as the libraries have them, for tests that need none of the libraries."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


class Int8Linear(nn.Linear):
    """Whole numbers of 8 bits, each row with a scale: the weight is no floating-point tensor and takes no gradient."""

    scale: Tensor

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__(plain.in_features, plain.out_features, plain.bias is not None)
        scale = plain.weight.detach().abs().amax(1, keepdim=True) / 127
        self.weight = nn.Parameter((plain.weight.detach() / scale).round().to(torch.int8), requires_grad=False)
        self.register_buffer("scale", scale)
        self.bias = plain.bias

    def dequantized(self) -> Tensor:
        return self.weight.to(self.scale.dtype) * self.scale

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.dequantized().to(x.dtype), self.bias)


class Silent(Int8Linear):
    """A kernel that only infers: no gradient flows back through it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.detach())


class Wrong(Int8Linear):
    """Gradient flows back, twice as much as there is."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * 2 - x.detach())


class Coupled(Int8Linear):
    """As LLM.int8(): what is large anywhere in the batch changes how every row is computed."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.abs().amax() < 20 else super().forward(x * 1.01) / 1.01


def quantize(model: PreTrainedModel, kind: type[Int8Linear] = Int8Linear) -> Any:
    """The linear layers of all blocks, in place, as quantizers do: embeddings and head stay as they are."""
    blocks: Any = model.base_model
    for path, module in list(blocks.layers.named_modules()):
        if type(module) is nn.Linear:
            parent, _, name = path.rpartition(".")
            setattr(blocks.layers.get_submodule(parent), name, kind(module))
    return model


def dequantize(model: PreTrainedModel) -> Any:
    """The plain model with the same weights, in place."""
    for path, module in list(model.named_modules()):
        if isinstance(module, Int8Linear):
            parent, _, name = path.rpartition(".")
            plain = nn.Linear(module.in_features, module.out_features, module.bias is not None)
            plain.weight = nn.Parameter(module.dequantized().detach())
            plain.bias = module.bias
            setattr(model.get_submodule(parent), name, plain)
    return model
