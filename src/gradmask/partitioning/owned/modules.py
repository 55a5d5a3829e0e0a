"""Modules that one group owns whole: norms, embeddings, heads, biases, and linear layers that are not cut.

Such a module keeps its class, its parameters and their names. Only its reading of a parameter changes: while a batch
does not teach the owner, the parameter is read detached, so that autograd leaves ``.grad`` at ``None``; while only some
tokens teach it, the module's forward pass is the token-wise one of its kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.layout import Layout
from gradmask.partitioning.kernel.linear import call_for, compute_dtype
from gradmask.partitioning.kernel.matmul import Geometry, RoutedMatmul
from gradmask.partitioning.kernel.route import RoutingContext, TokenMask
from gradmask.partitioning.owned.gradients import MaskGradient, ScaleGradient, SpreadParameter


class Owned:
    """Mixed into a module's class by `assign_owner`. ``gradmask_owners`` maps parameter names to groups."""

    gradmask_owners: dict[str, str]
    gradmask_context: RoutingContext
    gradmask_heads_first = False
    _parameters: dict[str, Tensor | None]

    def read_parameter(self, name: str) -> Tensor | None:
        """The parameter as the current route lets this module see it."""
        override = self.__dict__.get("_gradmask_reading")
        if override is not None and name in override:
            return override[name]
        parameter = self._parameters[name]
        if parameter is None or not parameter.requires_grad or not torch.is_grad_enabled():
            return parameter
        flag = self.gradmask_context.route.learn(self.gradmask_owners[name])
        if isinstance(flag, TokenMask):
            raise GradmaskError(
                f"{type(self).__name__} reads its parameter {name!r} of shape {list(parameter.shape)} in a way that "
                "gradmask cannot route token by token: give one data label for the whole batch (or, where this is a learned "
                "bias of attention scores, declare gm.Architecture(position_bias=...))"
            )
        return parameter if flag else parameter.detach()

    def refuse_tensor(self, name: str) -> None:
        """Somebody deleted a parameter and puts an ordinary tensor in its place."""
        raise GradmaskError(
            f"{type(self).__name__}.{name} belongs to a group and must stay a parameter. (FSDP version 1 puts views of one flat "
            "tensor in the place of parameters; all groups would share one gradient: use FSDP2, fsdp_version: 2 in an "
            "accelerate configuration, or torch.distributed.fsdp.fully_shard)"
        )

    @contextmanager
    def reading(self, values: Mapping[str, Tensor | None]) -> Iterator[None]:
        """Run the plain forward pass with other values in the place of parameters."""
        self.__dict__["_gradmask_reading"] = values
        try:
            yield
        finally:
            self.__dict__.pop("_gradmask_reading", None)

    def rows(self, mask: TokenMask, lead: tuple[int, ...]) -> Tensor:
        """``mask`` over the leading dimensions of what this module reads, flattened to ``[N]``."""
        return mask.rows(lead, self.gradmask_heads_first)

    def token_masks(self) -> dict[str, TokenMask]:
        """The parameters that only some tokens teach in this call."""
        route = self.gradmask_context.route
        flags = {name: route.learn(owner) for name, owner in self.gradmask_owners.items()}
        trained = {name for name, p in self._parameters.items() if p is not None and p.requires_grad}
        return {name: flag for name, flag in flags.items() if isinstance(flag, TokenMask) and name in trained}


class OwnedLinear(Owned):
    """A linear layer or Conv1D owned whole."""

    gradmask_geometry: Geometry

    def forward(self, x: Tensor) -> Tensor:
        if not (self.token_masks() and torch.is_grad_enabled()):
            return super().forward(x)  # type: ignore[misc]
        weight, bias = self._parameters["weight"], self._parameters.get("bias")
        call = call_for(self.gradmask_geometry, self.gradmask_context.route)
        biases = [] if bias is None else [bias]
        return RoutedMatmul.apply(x.to(compute_dtype(x)), call, weight, *biases)


class OwnedEmbedding(Owned):
    """A table looked up by token, position or bucket."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        mask = self.token_masks().get("weight") if torch.is_grad_enabled() else None
        if mask is None or "weight" in self.__dict__.get("_gradmask_reading", ()):
            return super().forward(*args, **kwargs)  # type: ignore[misc]
        with self.reading({"weight": self._parameters["weight"]}):
            out = super().forward(*args, **kwargs)  # type: ignore[misc]
        return mask_gradient(out, mask)


class OwnedScale(Owned):
    """A module that multiplies or adds its parameters along the last dimensions (every RMS norm of Transformers)."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        masks = self.token_masks() if torch.is_grad_enabled() else {}
        if not masks:
            return super().forward(x, *args, **kwargs)  # type: ignore[misc]
        with self.reading({**self._detachable(), **{name: self._spread(name, m, x) for name, m in masks.items()}}):
            return super().forward(x, *args, **kwargs)  # type: ignore[misc]

    def _spread(self, name: str, mask: TokenMask, x: Tensor) -> Tensor:
        parameter = self._parameters[name]
        assert parameter is not None
        last = x.shape[-parameter.dim() :] if parameter.dim() else ()
        if not last or any(size not in (1, d) for size, d in zip(parameter.shape, last, strict=True)):
            self.read_parameter(name)  # raises, with the reason
        return self._repeat(parameter, mask, tuple(x.shape[: -parameter.dim()]))

    def _repeat(self, parameter: Tensor, mask: TokenMask, lead: tuple[int, ...]) -> Tensor:
        return SpreadParameter.apply(parameter, self.rows(mask, lead), lead)

    def _detachable(self) -> dict[str, Tensor | None]:
        masks = self.token_masks()
        return {name: self.read_parameter(name) for name in self.gradmask_owners if name not in masks}


class OwnedContainer(OwnedScale):
    """A module with children and a vector of its own, which it adds or multiplies to what they make for each token
    (the bias of ESM's head)."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        masks = self.token_masks() if torch.is_grad_enabled() and args and isinstance(args[0], Tensor) else {}
        vectors = {name: p for name in masks if (p := self._parameters[name]) is not None and p.dim() == 1}
        lead = tuple(args[0].shape[:-1]) if vectors else ()
        with self.reading({name: self._repeat(p, masks[name], lead) for name, p in vectors.items()}):
            return super(OwnedScale, self).forward(*args, **kwargs)  # type: ignore[misc]


class OwnedLayerNorm(Owned):
    """`torch.nn.LayerNorm` and `torch.nn.RMSNorm`, whose fused kernels take no per-token weight."""

    normalized_shape: tuple[int, ...]
    eps: float | None

    def forward(self, x: Tensor) -> Tensor:
        masks = self.token_masks() if torch.is_grad_enabled() else {}
        if not masks or len(self.normalized_shape) != 1:
            return super().forward(x)  # type: ignore[misc]
        taught = {name: self._parameters[name] for name in masks}
        with self.reading({name: p.detach() for name, p in taught.items() if p is not None}):
            out = super().forward(x)  # type: ignore[misc]
        rows = {name: self.rows(mask, tuple(x.shape[:-1])) for name, mask in masks.items()}
        names = ("weight", "bias")
        sides = [side for name in names for side in (taught.get(name), rows.get(name))]
        return ScaleGradient.apply(out, x.detach(), self.eps, isinstance(self, nn.RMSNorm), *sides)


def mask_gradient(out: Tensor, mask: TokenMask) -> Tensor:
    """Let gradient into ``out`` only from the chosen tokens; an output shared by the batch is repeated first."""
    if out.shape[0] == 1 and mask.batch > 1:
        out = out.expand(mask.batch, *out.shape[1:])
    return MaskGradient.apply(out, mask.rows(tuple(out.shape[:-1])))


def kind_of(module: nn.Module) -> type[Owned]:
    """The token-wise behaviour that fits a module's class."""
    if isinstance(module, (nn.Linear, Conv1D)):
        return OwnedLinear
    if isinstance(module, nn.Embedding):
        return OwnedEmbedding
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        return OwnedLayerNorm
    is_leaf = next(module.children(), None) is None
    return OwnedScale if is_leaf else OwnedContainer


@cache
def owned_class(cls: type[nn.Module], kind: type[Owned], names: tuple[str, ...]) -> type[nn.Module]:
    """``cls`` with its parameters read through the route."""
    readers = {
        name: property(
            lambda self, name=name: self.read_parameter(name),
            lambda self, _, name=name: self.refuse_tensor(name),
        )
        for name in names
    }
    namespace = {
        **readers,
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "gradmask_plain": cls,
        "gradmask_names": names,
    }
    return type(cls.__name__, (kind, cls), namespace)


def assign_owner(
    module: nn.Module,
    owners: dict[str, str],
    context: RoutingContext,
    kind: type[Owned] | None = None,
    heads_first: bool = False,
    names: tuple[str, ...] | None = None,
) -> None:
    """Give ``module``'s own parameters to groups, in place: ``owners`` maps each parameter's name to its group.

    ``heads_first``: it reads ``[batch, heads, sequence, ...]``. ``names``: what its code reads, where that is not its own
    parameters' names.
    """
    kind = kind or kind_of(module)
    module.gradmask_owners, module.gradmask_context = owners, context  # type: ignore[assignment]
    if heads_first:
        module.gradmask_heads_first = True  # type: ignore[assignment]
    if issubclass(kind, OwnedLinear):
        module.gradmask_geometry = _whole_geometry(module, owners)  # type: ignore[assignment]
    module.__class__ = owned_class(type(module), kind, names or tuple(sorted(owners)))


def _whole_geometry(module: nn.Module, owners: Mapping[str, str]) -> Geometry:
    weight, transposed = module._parameters["weight"], isinstance(module, Conv1D)
    assert weight is not None
    parts = Layout.whole(weight.shape[int(transposed)], owners["weight"])
    bias = Layout.whole(parts.size, owners["bias"]) if "bias" in owners else None
    return Geometry("out", transposed, parts, parts, bias)


def release(module: nn.Module) -> None:
    """Undo `assign_owner`."""
    module.__class__ = type(module).gradmask_plain  # type: ignore[attr-defined]
    for name in ("gradmask_owners", "gradmask_context", "gradmask_geometry", "gradmask_heads_first"):
        module.__dict__.pop(name, None)
