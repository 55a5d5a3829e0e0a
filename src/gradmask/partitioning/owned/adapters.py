"""A linear layer to whose weight groups add low-rank adapters, routed token by token.

Where a group runs for the whole batch, its ``B @ A`` is added to the weight and one product computes both, so that the
output is the exported plain model's bit for bit. Where it runs for some tokens, or drops some of its inputs, its own
product is added to their rows. Backward never makes a full weight gradient for an adapter.

Shapes: x ``[..., in]``, y ``[..., out]``, A ``[r, in]``, B ``[out, r]``; N rows of a flattened activation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from zlib import crc32

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradmask.partitioning.architectures.sites import Projection
from gradmask.partitioning.groups.adapters import Adapter
from gradmask.partitioning.kernel.linear import compute_dtype
from gradmask.partitioning.kernel.matmul import Geometry, product
from gradmask.partitioning.kernel.route import Flag, TokenMask, both
from gradmask.partitioning.owned.modules import OwnedLinear
from gradmask.partitioning.owned.table_kinds import ADAPTER, A, B, adapter_delta
from gradmask.partitioning.owned.tables import Tabled


@dataclass(frozen=True)
class Added:
    """One group's adapter in one call: for which tokens it runs and learns, its scale, whether it drops inputs."""

    run: Flag
    learn: Flag
    scale: float
    strength: float
    drops: bool

    @property
    def merges(self) -> bool:
        return self.run is True and not self.drops


@dataclass(frozen=True)
class AdaptedCall:
    """What one call of an adapted layer does, resolved from the route."""

    geometry: Geometry
    learns: Flag
    bias_learns: Flag
    adapters: tuple[Added, ...]


class Factors(NamedTuple):
    """An adapter's matrices, and what its inputs are multiplied with where some are dropped."""

    a: Tensor
    b: Tensor
    keep: Tensor | None


class AdaptedMatmul(torch.autograd.Function):
    """``y = x @ (W + sum of scale * B @ A).T + bias`` with the gradients that an `AdaptedCall` asks for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: AdaptedCall, weight: Tensor, bias: Tensor | None, *flat: Tensor) -> Tensor:
        factors = _grouped(flat)
        merged = merge_adapters(call, weight, factors).to(x.dtype)
        low = None if bias is None else bias.to(x.dtype)
        y = product(x, merged, low, call.geometry.transposed, call.geometry.bias_apart)
        rows, inputs, lead = y.view(-1, y.shape[-1]), x.reshape(-1, x.shape[-1]), tuple(x.shape[:-1])
        for added, (a, b, keep) in zip(call.adapters, factors, strict=True):
            if added.run is not False and not added.merges:
                (chosen,) = _choose(added.run, lead, _kept(inputs, keep))
                h = chosen @ a.to(x.dtype).t() * (added.scale * added.strength)
                _add(rows, h @ b.to(x.dtype).t(), added.run, lead)
        learns = (call.learns is not False and weight.requires_grad) or any(a.learn is not False for a in call.adapters)
        ctx.call, ctx.lead = call, lead
        ctx.save_for_backward(x if learns else None, weight, *flat)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, *flat = ctx.saved_tensors
        call, lead, needs = ctx.call, ctx.lead, ctx.needs_input_grad
        dy, inputs = _flat(grads[0]), None if x is None else _flat(x)
        dx = None
        if needs[0]:
            dx = dy @ (weight.t() if call.geometry.transposed else weight).to(dy.dtype)
        found: list[Tensor | None] = []
        for i, (added, factors) in enumerate(zip(call.adapters, _grouped(flat), strict=True)):
            learn = added.learn if needs[4 + 3 * i] else False
            found += _adapter_grads(added, learn, factors, dy, inputs, dx, lead)
        dw = (
            _weight_grad(call, dy, inputs, lead)
            if inputs is not None and needs[2] and call.learns is not False
            else None
        )
        db = _choose(call.bias_learns, lead, dy)[0].sum(0) if needs[3] and call.bias_learns is not False else None
        return (None if dx is None else dx.view(*lead, -1), None, dw, db, *found)


def _grouped(flat: Sequence[Any]) -> list[Factors]:
    return [Factors(*flat[i : i + 3]) for i in range(0, len(flat), 3)]


def merge_adapters(call: AdaptedCall, weight: Tensor, factors: Sequence[Factors]) -> Tensor:
    """The weight with the adapters that run for the whole batch, in its own dtype."""
    for added, (a, b, _) in zip(call.adapters, factors, strict=True):
        if added.merges:
            delta = adapter_delta(a, b, added.scale, call.geometry.transposed)
            weight = weight + (delta if added.strength == 1.0 else delta * added.strength)
    return weight


def _adapter_grads(
    added: Added,
    learn: Flag,
    factors: Factors,
    dy: Tensor,
    x: Tensor | None,
    dx: Tensor | None,
    lead: tuple[int, ...],
) -> list[Tensor | None]:
    """The gradients of A and B (none for what is kept); what flows back to the inputs is added to ``dx`` in place."""
    if added.run is False:
        return [None, None, None]
    a, b, keep = factors.a.to(dy.dtype), factors.b.to(dy.dtype), factors.keep
    scale = added.scale * added.strength
    (back,) = _choose(added.run, lead, dy)
    dh = back @ b * scale
    if dx is not None:
        piece = dh @ a
        _add(dx, piece if keep is None else piece * _choose(added.run, lead, _flat(keep))[0], added.run, lead)
    if learn is False or x is None:
        return [None, None, None]
    back, inputs = _choose(learn, lead, dy, _kept(x, keep).to(dy.dtype))
    dh = dh if learn is added.run else back @ b * scale
    return [dh.t() @ inputs, back.t() @ (inputs @ a.t()) * scale, None]


def _weight_grad(call: AdaptedCall, dy: Tensor, x: Tensor, lead: tuple[int, ...]) -> Tensor:
    dy, x = _choose(call.learns, lead, dy, x)
    return x.t() @ dy if call.geometry.transposed else dy.t() @ x


def _choose(flag: Flag, lead: tuple[int, ...], *flat: Tensor) -> tuple[Tensor, ...]:
    return flag.choose(lead, *flat) if isinstance(flag, TokenMask) else flat  # type: ignore[misc]


def _add(total: Tensor, piece: Tensor, flag: Flag, lead: tuple[int, ...]) -> None:
    """Add to the rows that `_choose` chose, in place."""
    if not isinstance(flag, TokenMask) or torch.compiler.is_compiling():
        total += piece
        return
    chosen = flag.index(lead)
    if isinstance(chosen, slice):
        total[chosen] += piece
    else:
        total.index_add_(0, chosen, piece.to(total.dtype))


def _flat(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])


def _kept(flat: Tensor, keep: Tensor | None) -> Tensor:
    return flat if keep is None else flat * _flat(keep)


class AdaptedLinear(Tabled, OwnedLinear):
    """A linear layer or Conv1D, owned whole, with the adapters of groups."""

    gradmask_adapters: dict[str, Adapter]
    training: bool

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(compute_dtype(x))
        call, learning = self._call(), torch.is_grad_enabled()
        weight, bias = self._parameters["weight"], self._parameters.get("bias")
        assert weight is not None
        factors = [self._factors(group, x, a) for group, a in zip(self.gradmask_adapters, call.adapters, strict=True)]
        if learning or any(a.run is not False and not a.merges for a in call.adapters):
            return AdaptedMatmul.apply(x, call, weight, bias, *(tensor for three in factors for tensor in three))
        merged, bias = self._merged_once(call, weight, bias, factors, x.dtype)
        return product(x, merged, bias, call.geometry.transposed, call.geometry.bias_apart)

    def read_parameter(self, name: str) -> Tensor | None:
        """From outside, the weight as the current route sums it.

        Where only some tokens use an adapter there is no such sum: then the layer's own weight, which teaches nobody
        (T5 asks for its dtype).
        """
        reading = self.__dict__.get("_gradmask_reading") or {}
        if name == "weight" and name not in reading and self.divides():
            weight = self._parameters[name]
            return None if weight is None else weight.detach()
        return super().read_parameter(name)

    def _call(self) -> AdaptedCall:
        route, owners = self.gradmask_context.route, self.gradmask_owners
        added = []
        for group, adapter in self.gradmask_adapters.items():
            run = route.run(group)
            drops = self.training and adapter.dropout > 0
            added.append(Added(run, both(route.learn(group), run), adapter.scale, route.scale(group), drops))
        bias_learns = route.learn(owners["bias"]) if "bias" in owners else False
        return AdaptedCall(self.gradmask_geometry, route.learn(owners["weight"]), bias_learns, tuple(added))

    def _factors(self, group: str, x: Tensor, added: Added) -> Factors:
        a, b = (self._parameters[f"{ADAPTER}{group}{side}"] for side in (A, B))
        assert a is not None
        assert b is not None
        drops = added.drops and added.run is not False
        keep = F.dropout(torch.ones_like(x), self.gradmask_adapters[group].dropout) if drops else None
        return Factors(a, b, keep)

    def _merged_once(
        self, call: AdaptedCall, weight: Tensor, bias: Tensor | None, factors: Sequence[Factors], dtype: torch.dtype
    ) -> tuple[Tensor, Tensor | None]:
        cache = self.gradmask_context.merged_cache
        if cache is not None and id(self) in cache:
            return cache[id(self)]
        merged = merge_adapters(call, weight, factors).to(dtype), None if bias is None else bias.to(dtype)
        if cache is not None:
            cache[id(self)] = merged
        return merged


def add_adapter(module: nn.Module, group: str, adapter: Adapter, projection: Projection) -> None:
    """Give ``group`` an adapter of ``module``, an `AdaptedLinear`: A uniform in ±1/√in as in LoRA's own code, B zero.

    The random numbers depend on the layer's and the group's names alone, so that every process draws the same.
    """
    weight = module._parameters["weight"]
    assert weight is not None
    rows, columns = weight.shape[:: -1 if projection.transposed else 1]
    generator = torch.Generator().manual_seed(crc32(f"{projection.name}/{group}".encode()))
    noise = (torch.rand(adapter.rank, columns, generator=generator, device="cpu") * 2 - 1) / columns**0.5
    like: Any = {"dtype": weight.dtype, "device": weight.device}
    module.register_parameter(f"{ADAPTER}{group}{A}", nn.Parameter(noise.to(**like)))
    module.register_parameter(f"{ADAPTER}{group}{B}", nn.Parameter(torch.zeros(rows, adapter.rank, **like)))
    known = module.__dict__.setdefault("gradmask_adapters", {})
    known[group] = adapter
    geometry: Any = module.gradmask_geometry
    module.gradmask_geometry = replace(geometry, bias_apart=projection.bias_apart)  # type: ignore[assignment]
