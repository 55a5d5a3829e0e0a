"""Layers with quantized weights: they compute as their library does, never learn, and may carry adapters of groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gradmask.partitioning.kernel.linear import compute_dtype
from gradmask.partitioning.owned.adapted_matmul import AdapterCall
from gradmask.partitioning.owned.adapter_sums import AdapterSums, add_adapters
from gradmask.partitioning.owned.adapters import Adapted
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.table_kinds import group_of


class OwnedQuantized(Owned):
    """A module with quantized weights, owned whole and frozen: nothing of it is routed, and a state dict must hold the same."""

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Read the adapters. The base is compared only: its library may have rearranged it since, and would read it wrongly."""
        own: dict[str, Any] = {}
        self._save_to_state_dict(own, prefix, keep_vars=False)
        adapters = {key for key in own if group_of(key.removeprefix(prefix)) is not None}
        given = {key: state_dict[key] for key in adapters & set(state_dict)}
        nn.Module._load_from_state_dict(self, given, prefix, local_metadata, False, [], [], error_msgs)
        if strict:
            missing_keys += [key for key in own if key not in state_dict]
            unexpected_keys += [key for key in state_dict if key.startswith(prefix) and key not in own]
        if other := [
            k for k, v in own.items() if k in state_dict and k not in adapters and not _same(v, state_dict[k])
        ]:
            error_msgs.append(
                f"{other[0]} is of another base than this model's, which is quantized and cannot change: open the base that it was "
                "trained on, or the whole checkpoint with gm.load"
            )


def _same(own: Tensor, given: Tensor) -> bool:
    """Whether both are equal; tensors that only pass for one (torchao's) are not compared."""
    if hasattr(own, "__tensor_flatten__") or hasattr(given, "__tensor_flatten__"):
        return True
    return torch.equal(own.reshape(-1), given.to(own.device).reshape(-1))


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
