"""A linear layer to whose weight groups add low-rank adapters, routed token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradmask.partitioning.architectures.sites import Projection
from gradmask.partitioning.groups.adapters import Adapter
from gradmask.partitioning.kernel.linear import compute_dtype
from gradmask.partitioning.kernel.matmul import product
from gradmask.partitioning.kernel.token_mask import both
from gradmask.partitioning.owned.adapted_matmul import (
    AdaptedCall,
    AdaptedMatmul,
    AdapterCall,
    Factors,
    merge_adapters,
)
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.linear import OwnedLinear
from gradmask.partitioning.owned.table_kinds import ADAPTER, A, B
from gradmask.partitioning.owned.tables import Tabled


class Adapted(Owned):
    """A layer, owned whole, with the adapters of groups."""

    gradmask_adapters: dict[str, Adapter]
    training: bool

    def adapter_calls(self) -> tuple[AdapterCall, ...]:
        """What each group's adapter does in this call, in the order of the groups."""
        route, calls = self.gradmask_context.route, []
        for group, adapter in self.gradmask_adapters.items():
            run = route.run(group)
            drops = self.training and adapter.dropout > 0
            calls.append(AdapterCall(run, both(route.learn(group), run), adapter.scale, route.scale(group), drops))
        return tuple(calls)

    def factors(self, x: Tensor, calls: Sequence[AdapterCall]) -> list[Factors]:
        """The matrices of each group's adapter, and which inputs it drops."""
        return [self._factors(group, x, call) for group, call in zip(self.gradmask_adapters, calls, strict=True)]

    def _factors(self, group: str, x: Tensor, adapter: AdapterCall) -> Factors:
        a, b = (self._parameters[f"{ADAPTER}{group}{side}"] for side in (A, B))
        assert a is not None
        assert b is not None
        drops = adapter.drops and adapter.run is not False
        # a mask that backward can use again; where the group does not run, no random numbers are drawn
        keep = F.dropout(torch.ones_like(x), self.gradmask_adapters[group].dropout) if drops else None
        return Factors(a, b, keep)


class AdaptedLinear(Adapted, Tabled, OwnedLinear):
    """A linear layer or Conv1D, owned whole, with the adapters of groups."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(compute_dtype(x))
        if self.gradmask_context.route.sets:
            return self._products_of_sets(x)
        call, learning = self._call(), torch.is_grad_enabled()
        weight, bias = self._parameters["weight"], self._parameters.get("bias")
        assert weight is not None
        factors = self.factors(x, call.adapters)
        if learning or any(a.run is not False and not a.merges for a in call.adapters):
            return AdaptedMatmul.apply(x, call, weight, bias, *(tensor for three in factors for tensor in three))
        merged, bias = self._merged_once(call, weight, bias, factors, x.dtype)
        return product(x, merged, bias, call.geometry.transposed, call.geometry.bias_apart)

    def _products_of_sets(self, x: Tensor) -> Tensor:
        """One product of all rows for each set of groups that runs together, with the weight that an export of it has.

        The sums are not kept: each would be another copy of the layer.
        """
        weight, bias = self._parameters["weight"], self._parameters.get("bias")
        assert weight is not None
        call, y = self._call(), None
        factors = self.factors(x, call.adapters)
        low = None if bias is None else bias.to(x.dtype)
        for groups, rows in self.gradmask_context.route.rows_of_sets(self.gradmask_adapters, tuple(x.shape[:-1])):
            runs = [
                replace(adapter, run=group in groups, drops=False)
                for group, adapter in zip(self.gradmask_adapters, call.adapters, strict=True)
            ]
            merged = merge_adapters(replace(call, adapters=tuple(runs)), weight, factors).to(x.dtype)
            values = product(x, merged, low, call.geometry.transposed, call.geometry.bias_apart)
            y = values if y is None else torch.where(rows.view(*values.shape[:-1], 1), values, y)
        assert y is not None
        return y

    def read_parameter(self, name: str) -> Tensor | None:
        """From outside, the weight as the current route sums it.

        Where only some tokens use an adapter there is no such sum: then the layer's own weight, detached (T5 asks for
        its dtype).
        """
        reading = self.overrides()
        if name == "weight" and name not in reading and self.divides():
            weight = self._parameters[name]
            return None if weight is None else weight.detach()
        return super().read_parameter(name)

    def _call(self) -> AdaptedCall:
        route, owners = self.gradmask_context.route, self.gradmask_owners
        bias_learns = route.learn(owners["bias"]) if "bias" in owners else False
        return AdaptedCall(self.gradmask_geometry, route.learn(owners["weight"]), bias_learns, self.adapter_calls())

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


def add_adapter(module: Adapted, group: str, adapter: Adapter, projection: Projection) -> None:
    """Give ``group`` an adapter of ``module``: A uniform in ±1/√in as in LoRA's own code, B zero.

    The random numbers depend on the layer's and the group's names alone, so that every process draws the same. On a
    quantized layer the adapter is float32, as PEFT's is: the layer has no number format that could learn.
    """
    rows, columns = projection.shape
    # crc32, not hash(): Python salts that in every process
    generator = torch.Generator().manual_seed(crc32(f"{projection.name}/{group}".encode()))
    noise = (torch.rand(adapter.rank, columns, generator=generator, device="cpu") * 2 - 1) / columns**0.5
    there = next(tensor for tensor in (*module._parameters.values(), *module._buffers.values()) if tensor is not None)
    like: Any = {"dtype": torch.float32 if projection.quantized else there.dtype, "device": there.device}
    module.register_parameter(f"{ADAPTER}{group}{A}", nn.Parameter(noise.to(**like)))
    module.register_parameter(f"{ADAPTER}{group}{B}", nn.Parameter(torch.zeros(rows, adapter.rank, **like)))
    module.__dict__.setdefault("gradmask_adapters", {})[group] = adapter
    if isinstance(module, AdaptedLinear):
        module.gradmask_geometry = replace(module.gradmask_geometry, bias_apart=projection.bias_apart)
