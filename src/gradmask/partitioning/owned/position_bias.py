"""Learned biases of attention scores that one table holds for the whole batch (T5's relative positions).

The table is looked up once, not for each example, so labels that differ within the batch are separated afterwards:
the bias ``[1, heads, query, key]`` is repeated for every example, and gradient comes from the chosen ones.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from gradmask.partitioning.kernel.pickling import reduced
from gradmask.partitioning.owned.embeddings import OwnedEmbedding
from gradmask.partitioning.owned.gradients import MaskGradient


def route_bias(module: nn.Module, method: str) -> None:
    """Route the tables that ``module.method`` looks up, in place; does nothing where the module has none."""
    if any(isinstance(child, OwnedEmbedding) for child in module.children()):
        module.__class__ = _routed_class(type(module), method)


def unroute_bias(module: nn.Module) -> None:
    """Undo `route_bias`."""
    plain = type(module).__dict__.get("gradmask_unbiased")
    if plain is not None:
        module.__class__ = plain


@cache
def _routed_class(cls: type[nn.Module], method: str) -> type[nn.Module]:
    def routed(self: nn.Module, *args: Any, **kwargs: Any) -> Tensor:
        tables = [child for child in self.children() if isinstance(child, OwnedEmbedding)]
        masks = [mask for table in tables for mask in table.token_masks().values()]
        if not masks or not torch.is_grad_enabled():
            return getattr(cls, method)(self, *args, **kwargs)
        with ExitStack() as stack:
            for table in tables:
                stack.enter_context(table.reading({"weight": table._parameters["weight"]}))
            bias = getattr(cls, method)(self, *args, **kwargs)
        for mask in masks:
            bias = bias.expand(mask.batch, *bias.shape[1:])
            bias = MaskGradient.apply(bias, mask.factors(tuple(bias.shape[:3]), heads_first=True))
        return bias

    # the class again, because T5 calls the method on `self`; built from the plain one, so that undoing is one assignment
    namespace: dict[str, Any] = {method: routed, "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    namespace["__reduce_ex__"] = lambda self, protocol: reduced(
        self, cls.__reduce_ex__(self, max(protocol, 2)), _routed_class, cls, method
    )
    return type(cls.__name__, (cls,), {**namespace, "gradmask_unbiased": cls})
