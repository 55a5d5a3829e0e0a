"""Layers with quantized weights: they compute as their library does, never learn, and may carry adapters of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gradmask.partitioning.kernel.linear import compute_dtype
from gradmask.partitioning.owned.adapted_matmul import AdapterCall
from gradmask.partitioning.owned.adapter_sums import AdapterSums, add_adapters
from gradmask.partitioning.owned.adapters import Adapted
from gradmask.partitioning.owned.base import Owned


class OwnedQuantized(Owned):
    """A module with quantized weights, owned whole and frozen: nothing of it is routed."""


class AdaptedQuantized(Adapted, OwnedQuantized):
    """A linear layer with quantized weights, to whose outputs groups add the products of their adapters.

    Nothing is merged: a quantized weight could hold the sum rounded only. So a token for which no group runs has the
    base's output bit for bit.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        y, calls = super().forward(x, *args, **kwargs), self.adapter_calls()
        x = x.to(compute_dtype(x))
        if self.gradmask_context.route.sets:
            return self._sums_of_sets(y, x, calls)
        if all(call.run is False for call in calls):
            return y
        factors = self.factors(x, calls)
        if torch.is_grad_enabled():
            return AdapterSums.apply(y, x, calls, *(tensor for three in factors for tensor in three))
        return add_adapters(y, x, calls, factors)

    def _sums_of_sets(self, y: Tensor, x: Tensor, calls: Sequence[AdapterCall]) -> Tensor:
        """Each row with the adapters of its own set of groups, added up as if all rows had that set."""
        out, calls = y, [replace(call, drops=False) for call in calls]
        factors = self.factors(x, calls)
        for groups, rows in self.gradmask_context.route.rows_of_sets(self.gradmask_adapters, tuple(x.shape[:-1])):
            runs = [replace(c, run=group in groups) for group, c in zip(self.gradmask_adapters, calls, strict=True)]
            out = torch.where(rows.view(*y.shape[:-1], 1), add_adapters(y, x, runs, factors), out)
        return out
