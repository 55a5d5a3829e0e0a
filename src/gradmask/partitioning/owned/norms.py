"""Norms and other scales that one group owns whole, and modules that hold a vector beside their children."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gradmask.partitioning.kernel.token_mask import TokenMask
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.gradients import ScaleGradient, SpreadParameter


class OwnedScale(Owned):
    """A module that multiplies or adds its parameters along the last dimensions (every RMS norm of Transformers).

    Its plain forward pass runs with the parameter repeated for every token: the same arithmetic by broadcasting, and a
    gradient for every token, of which `SpreadParameter` sums the chosen ones.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        masks = self.token_masks() if torch.is_grad_enabled() else {}
        if not masks:
            return super().forward(x, *args, **kwargs)
        with self.reading({**self._detachable(), **{name: self._spread(name, m, x) for name, m in masks.items()}}):
            return super().forward(x, *args, **kwargs)

    def _spread(self, name: str, mask: TokenMask, x: Tensor) -> Tensor:
        parameter = self._parameters[name]
        assert parameter is not None
        last = x.shape[-parameter.dim() :] if parameter.dim() else ()
        if not last or any(size not in (1, d) for size, d in zip(parameter.shape, last, strict=True)):
            self.read_parameter(name)  # raises: this shape cannot be routed token by token
        return self._repeat(parameter, mask, tuple(x.shape[: -parameter.dim()]))

    def _repeat(self, parameter: Tensor, mask: TokenMask, lead: tuple[int, ...]) -> Tensor:
        return SpreadParameter.apply(parameter, self.rows(mask, lead), lead)

    def _detachable(self) -> dict[str, Tensor | None]:
        masks = self.token_masks()
        return {name: self.read_parameter(name) for name in self.gradmask_owners if name not in masks}


class OwnedContainer(OwnedScale):
    """A module with children and a vector of its own, which it adds to, or multiplies with, their output for each token.

    For example the bias of ESM's head.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        masks = self.token_masks() if torch.is_grad_enabled() and args and isinstance(args[0], Tensor) else {}
        vectors = {name: p for name in masks if (p := self._parameters[name]) is not None and p.dim() == 1}
        lead = tuple(args[0].shape[:-1]) if vectors else ()
        with self.reading({name: self._repeat(p, masks[name], lead) for name, p in vectors.items()}):
            return super(OwnedScale, self).forward(
                *args, **kwargs
            )  # the plain class's: its arguments may not be tensors


class OwnedLayerNorm(Owned):
    """`torch.nn.LayerNorm` and `torch.nn.RMSNorm`, whose fused kernels take no per-token weight."""

    normalized_shape: tuple[int, ...]
    eps: float | None

    def forward(self, x: Tensor) -> Tensor:
        masks = self.token_masks() if torch.is_grad_enabled() else {}
        if not masks or len(self.normalized_shape) != 1:
            return super().forward(x)
        learning = {name: self._parameters[name] for name in masks}
        with self.reading({name: p.detach() for name, p in learning.items() if p is not None}):
            out = super().forward(x)
        rows = {name: self.rows(mask, tuple(x.shape[:-1])) for name, mask in masks.items()}
        names = ("weight", "bias")
        # LayerNorm's kernel has one weight for all tokens, so the output comes from it and the gradients are made apart
        sides = [side for name in names for side in (learning.get(name), rows.get(name))]
        return ScaleGradient.apply(out, x.detach(), self.eps, isinstance(self, nn.RMSNorm), *sides)
