"""Norms and other scales that one group owns whole, and modules that hold a vector beside their children."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gradmask.partitioning.kernel.token_mask import TokenMask
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.by_class import ByClass
from gradmask.partitioning.owned.gradients import ScaleGradient, SpreadParameter


class OwnedScale(ByClass):
    """A module that multiplies or adds its parameters along the last dimensions (every RMS norm of Transformers).

    Its plain forward pass runs with the parameter repeated for every token: the same arithmetic by broadcasting, and a
    gradient for every token, of which `SpreadParameter` sums the chosen ones. `gradmask.model.trying` proves on a tiny batch
    that it does; where the shapes say that it does not, it is run once for each class of tokens.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        masks = self.token_masks() if torch.is_grad_enabled() else {}
        x = args[0] if args else None
        if not masks:
            return self.run_plain(args, kwargs)
        if not isinstance(x, Tensor) or not all(self._spreads(name, x) for name in masks):
            return ByClass.forward(self, *args, **kwargs)
        with self.reading({**self._detachable(), **{name: self._spread(name, m, x) for name, m in masks.items()}}):
            return self.run_plain(args, kwargs)

    def _spreads(self, name: str, x: Tensor) -> bool:
        """Whether the parameter has the shape of the last dimensions of ``x``, or one that broadcasts with them."""
        parameter = self._parameters[name]
        assert parameter is not None
        last = x.shape[-parameter.dim() :] if 0 < parameter.dim() <= x.dim() else ()
        return bool(last) and all(size in (1, d) for size, d in zip(parameter.shape, last, strict=True))

    def _spread(self, name: str, mask: TokenMask, x: Tensor) -> Tensor:
        parameter = self._parameters[name]
        assert parameter is not None
        return self._repeat(parameter, mask, tuple(x.shape[: x.dim() - parameter.dim()]))

    def _repeat(self, parameter: Tensor, mask: TokenMask, lead: tuple[int, ...]) -> Tensor:
        return SpreadParameter.apply(parameter, self.rows(mask, lead), lead)

    def _detachable(self) -> dict[str, Tensor | None]:
        masks = self.token_masks()
        return {name: self.read_parameter(name) for name in self.gradmask_owners if name not in masks}

    def proves_to_spread(self, masks: Sequence[TokenMask], args: Any, kwargs: Any, out: Any) -> bool:
        """Whether its parameters, repeated for every token, give ``out`` again, bit for bit, with masks of all tokens."""
        names = [name for name, p in self._parameters.items() if p is not None]
        x = args[0] if args else None
        if not isinstance(x, Tensor) or not isinstance(out, Tensor) or not all(self._spreads(n, x) for n in names):
            return False
        try:
            for mask in masks:
                with self.reading({name: self._spread(name, mask, x) for name in names}):
                    if not torch.equal(self.run_plain(args, kwargs), out):
                        return False
        except Exception:  # whatever code raises over a parameter of another shape
            return False
        return True


class OwnedContainer(OwnedScale):
    """A module with children and a vector of its own, which it adds to, or multiplies with, their output for each token.

    For example the bias of ESM's head.
    """

    def _spreads(self, name: str, x: Tensor) -> bool:
        # the vector meets the children's output, whose last dimension the inputs do not show
        parameter = self._parameters[name]
        return parameter is not None and parameter.dim() == 1

    def _spread(self, name: str, mask: TokenMask, x: Tensor) -> Tensor:
        parameter = self._parameters[name]
        assert parameter is not None
        return self._repeat(parameter, mask, tuple(x.shape[:-1]))


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
