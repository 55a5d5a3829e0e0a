"""What one pass over a tiny batch shows of every module: how it sees the tokens, and so how labels within a batch reach it.

`gradmask.partition` says at once what a model will not do, and chooses for each module the cheapest way that is proven: most
parameters are routed token by token in their module's one pass; the rest by running a module once for each class of tokens
(`gradmask.partitioning.owned.by_class`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gradmask.errors import GradmaskError
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.kernel.spied import Spied
from gradmask.partitioning.kernel.token_mask import TokenMask
from gradmask.partitioning.owned.base import Owned, watching
from gradmask.partitioning.owned.by_class import spread_rows
from gradmask.partitioning.owned.embeddings import OwnedEmbedding
from gradmask.partitioning.owned.linear import OwnedLinear
from gradmask.partitioning.owned.norms import OwnedLayerNorm, OwnedScale
from gradmask.partitioning.owned.quantized import AdaptedQuantized

LineUp = tuple[bool, bool]
"""Whether something lines up with one label per example, and with one per token."""


class Trial:
    """Watches a partitioned model during one pass.

    Attributes:
        outputs: id of a module that ran -> whether what it returns lines up with labels.
        inputs: of a module whose kind routes token by token: whether it sees its tokens in their order.
        spreads: of a scale: whether its parameters can be repeated for every token.
        read_outside: modules with whose parameters other modules compute.
        around: id of a module -> the modules that run whenever it does, or something is read of it.
    """

    def __init__(self, batch: Mapping[str, Any]) -> None:
        ids = batch.get("input_ids")
        self.shape = tuple(ids.shape) if isinstance(ids, Tensor) and ids.dim() == 2 else None
        device = ids.device if isinstance(ids, Tensor) else None
        shapes = [] if self.shape is None else [self.shape[:1], self.shape]
        self.masks = [TokenMask(torch.ones(shape, dtype=torch.bool, device=device)) for shape in shapes]
        self.outputs: dict[int, LineUp] = {}
        self.inputs: dict[int, LineUp] = {}
        self.spreads: dict[int, bool] = {}
        self.read_outside: set[int] = set()
        self.around: dict[int, set[int]] = {}
        self._active: list[int] = []
        self._proving = False

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Within: one pass of ``model`` over the batch."""
        if self.shape is None:
            yield
            return
        handles = [m.register_forward_pre_hook(self._enter) for m in model.modules()]
        handles += [m.register_forward_hook(self._leave, prepend=True, with_kwargs=True) for m in model.modules()]
        try:
            with watching(self._read):
                yield
        finally:
            for handle in handles:
                handle.remove()

    def _read(self, module: nn.Module, parameter: Tensor) -> Tensor:
        if id(module) in self._active or self._proving:
            return parameter
        return Spied.over(parameter, partial(self._note_read, id(module)))

    def _note_read(self, module: int) -> None:
        self.read_outside.add(module)
        self._note_around(module)

    def _note_around(self, module: int) -> None:
        self.around[module] = self.around.get(module, {*self._active}) & {*self._active}

    def _enter(self, module: nn.Module, args: Any) -> None:
        if not self._proving:
            self._note_around(id(module))
            self._active.append(id(module))

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, out: Any) -> None:
        if self._proving:
            return
        self._active.pop()
        examples, tokens = (_all_line_up(out, mask.mask) for mask in self.masks)
        _note(self.outputs, module, (examples, tokens))
        if isinstance(module, (OwnedLinear, OwnedLayerNorm, SplitLinear, AdaptedQuantized)) and args:
            _note(self.inputs, module, self._sees(tuple(args[0].shape[:-1]), module))
        elif isinstance(module, OwnedEmbedding) and isinstance(out, Tensor):
            lead = tuple(out.shape[:-1])
            # positions are looked up once for all examples
            _note(self.inputs, module, self._sees((self.masks[0].batch, *lead[1:]) if lead[0] == 1 else lead, module))
        elif isinstance(module, OwnedScale):
            self._proving = True
            try:
                proven = module.proves_to_spread(self.masks, args, kwargs, out)
            finally:
                self._proving = False
            self.spreads[id(module)] = self.spreads.get(id(module), True) and proven

    def _sees(self, lead: tuple[int, ...], module: nn.Module) -> LineUp:
        examples, tokens = (self._has_rows(mask, lead, module) for mask in self.masks)
        return examples, tokens

    def _has_rows(self, mask: TokenMask, lead: tuple[int, ...], module: nn.Module) -> bool:
        try:
            mask.rows(lead, isinstance(module, Owned) and module.gradmask_heads_first)
        except GradmaskError:
            return False
        return True


def _note(table: dict[int, LineUp], module: nn.Module, fact: LineUp) -> None:
    """A module that runs several times must line up every time."""
    before = table.get(id(module), (True, True))
    table[id(module)] = (before[0] and fact[0], before[1] and fact[1])


def _all_line_up(value: Any, rows: Tensor) -> bool:
    if isinstance(value, Tensor):
        return not value.is_floating_point() or spread_rows(rows, tuple(value.shape)) is not None
    items = value.values() if isinstance(value, Mapping) else value
    return all(_all_line_up(item, rows) for item in items) if isinstance(value, (Mapping, list, tuple)) else True
