"""Linear layers that one group owns whole."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from gradmask.partitioning.kernel.call import Geometry, call_for, shared
from gradmask.partitioning.kernel.layout import Layout
from gradmask.partitioning.kernel.linear import compute_dtype
from gradmask.partitioning.kernel.matmul import RoutedMatmul
from gradmask.partitioning.owned.base import Owned


class OwnedLinear(Owned):
    """A linear layer or Conv1D owned whole."""

    gradmask_geometry: Geometry

    def forward(self, x: Tensor) -> Tensor:
        if not (self.token_masks() and torch.is_grad_enabled()):
            return super().forward(x)
        weight, bias = self._parameters["weight"], self._parameters.get("bias")
        # not cut, but tokens of other labels must not update it: the routed product sums the gradient of the chosen ones
        call = call_for(self.gradmask_geometry, self.gradmask_context.route)
        biases = [] if bias is None else [bias]
        return RoutedMatmul.apply(x.to(compute_dtype(x)), call, weight, *biases)


def whole_geometry(module: nn.Module, owners: Mapping[str, str]) -> Geometry:
    """The geometry of a layer that is not cut: every position belongs to the owner of its weight."""
    weight, transposed = module._parameters["weight"], isinstance(module, Conv1D)
    assert weight is not None
    parts = Layout.whole(weight.shape[int(transposed)], owners["weight"])
    bias = Layout.whole(parts.size, owners["bias"]) if "bias" in owners else None
    return shared(Geometry("out", transposed, parts, parts, bias))
