"""Modules that use their parameters in a way of their own: run once for each class of tokens, with its labels alone.

Convolutions, state-space scans, attention sinks and whatever else no token-wise kind is known for. The tokens (or examples) of
a class are those from which the same parameters learn. In the run of a class the parameters that it does not update are
detached, and its rows of the outputs are taken from that run: each row has the values of one plain pass over the whole batch,
and each parameter the gradient of the rows that it learns from. That is exact where rows are examples. Labels per token say
from which *outputs* such a module learns, since it may mix tokens.

A module whose own outputs do not line up with the tokens (a convolution over ``[batch, channels, time]``) is resolved by the
nearest module around it whose outputs do: its host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.token_mask import TokenMask, TokenWeights
from gradmask.partitioning.owned.base import Owned, choosing, chosen_masks


class ByClass(Owned):
    """``gradmask_hosts``: the owners of parameters inside it that it resolves, beside those of its own."""

    gradmask_hosts: frozenset[str] = frozenset()
    training: bool

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        masks = self.class_masks() if torch.is_grad_enabled() else []
        return self.run_by_class(masks, args, kwargs) if masks else self.run_plain(args, kwargs)

    def run_plain(self, args: Any, kwargs: Any) -> Any:
        """The module's own forward pass: that of the class after this one (`gradmask_plain`, except of the outermost module)."""
        return super().forward(*args, **kwargs)

    def class_masks(self) -> list[TokenMask]:
        """The different masks of this call by which its parameters learn, without those that a host has resolved."""
        route, resolved = self.gradmask_context.route, chosen_masks()
        own = {owner for name, owner in self.gradmask_owners.items() if _learns(self._parameters[name])}
        flags = [route.learn(owner) for owner in sorted(own | self.gradmask_hosts)]
        masks = {id(flag): flag for flag in flags if isinstance(flag, TokenMask) and id(flag) not in resolved}
        return list(masks.values())

    @torch.compiler.disable
    def run_by_class(self, masks: Sequence[TokenMask], args: Any, kwargs: Any) -> Any:
        """The outputs, each row from the run of its class."""
        draws, total, started = _Draws(self), None, False
        for answers, rows in _classes(masks):
            draws.rewind()  # dropout as in one pass
            with choosing({**chosen_masks(), **answers}):
                out = self.run_plain(args, kwargs)
            total = _take(self, rows, out, total) if started else out
            started = True
        return total


def _learns(parameter: Tensor | None) -> bool:
    return parameter is not None and parameter.requires_grad


def _classes(masks: Sequence[TokenMask]) -> Iterator[tuple[dict[int, float], Tensor]]:
    """For every class: how much its tokens teach by each mask, by the mask's id, and which they are, ``[B]`` or ``[B, S]``."""
    tables = [mask.weights if isinstance(mask, TokenWeights) else mask.mask for mask in masks]
    wide = any(table.dim() == 2 for table in tables)
    tables = [t.double().unsqueeze(1) if wide and t.dim() == 1 else t.double() for t in tables]
    together = torch.stack(torch.broadcast_tensors(*tables), -1)
    kinds, which = torch.unique(together.flatten(0, -2), dim=0, return_inverse=True)
    for i, kind in enumerate(kinds.tolist()):
        answers = {id(mask): weight for mask, weight in zip(masks, kind, strict=True)}
        yield answers, (which == i).view(together.shape[:-1])


class _Draws:
    """The random numbers of a module in training, the same in every run."""

    def __init__(self, module: ByClass) -> None:
        parameter = next(module.parameters(), None)
        self.device = parameter.device if parameter is not None and parameter.is_cuda else None
        self.cpu = torch.get_rng_state() if module.training else None
        self.cuda = torch.cuda.get_rng_state(self.device) if module.training and self.device else None

    def rewind(self) -> None:
        if self.cpu is not None:
            torch.set_rng_state(self.cpu)
        if self.cuda is not None and self.device is not None:
            torch.cuda.set_rng_state(self.cuda, self.device)


def _take(module: ByClass, rows: Tensor, chosen: Any, others: Any) -> Any:
    """``others``, with the chosen rows of every tensor from ``chosen``."""
    if isinstance(others, Tensor):
        if not (others.requires_grad or chosen.requires_grad):
            return others
        spread = spread_rows(rows, tuple(others.shape))
        if spread is None:
            raise GradmaskError(
                f"{type(module).__name__} gives a tensor of shape {list(others.shape)}, which does not line up with data labels of "
                f"shape {list(rows.shape)}: give one label for the whole batch"
            )
        return torch.where(spread, chosen, others)
    if isinstance(others, Mapping):
        taken = {key: _take(module, rows, chosen[key], value) for key, value in others.items()}
        return type(others)(**taken) if hasattr(others, "to_tuple") else type(others)(taken)  # type: ignore[bad-argument-count]
    if isinstance(others, (list, tuple)):
        items = [_take(module, rows, a, b) for a, b in zip(chosen, others, strict=True)]
        return type(others)(*items) if hasattr(others, "_fields") else type(others)(items)
    return others


def spread_rows(rows: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """Answers ``[B]`` or ``[B, S]``, shaped to broadcast over a tensor; None where they do not line up with it.

    Tensors are ``[B, ...]``, ``[1, ...]`` or flattened ``[B * S, features]``; with answers per token ``[B, S, ...]``,
    ``[1, S, ...]``, ``[B * S, ...]`` or, after heads, ``[B, heads, S, ...]``.
    """
    ones, batch = (1,) * (len(shape) - 1), rows.shape[0]
    if not shape:
        return None
    if rows.dim() == 1:
        if shape[0] in (1, batch):
            return rows.view(batch, *ones)
        flat = len(shape) == 2 and shape[0] % batch == 0
        return rows.repeat_interleave(shape[0] // batch).unsqueeze(1) if flat else None
    if len(shape) > 1 and shape[0] in (1, batch) and shape[1] == rows.shape[1]:
        return rows.view(*rows.shape, *ones[1:])
    if shape[0] == rows.numel():
        return rows.reshape(-1, *ones)
    return rows[:, None, :, None] if len(shape) == 4 and (shape[0], shape[2]) == tuple(rows.shape) else None
