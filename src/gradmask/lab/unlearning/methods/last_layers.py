"""Retraining the last layers from scratch; all others keep their weights (EU-k of Goel et al., arXiv 2201.06640, §4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.lab.unlearning.method import Batches, Method, cross_entropy


@dataclass(frozen=True)
class LastLayers(Method):
    """Reinitialize the last ``blocks`` blocks and an untied head and train them on retain text; all else is frozen."""

    name = "last_layers"
    title = "last layers retrained"
    source = "arXiv 2201.06640, §4 (EU-k)"
    objective = "ℓ(*r*), after reinitializing the last k blocks and an untied head"
    updates = "the last k blocks and an untied head"
    order = 7
    color = "rose"
    marker = "P"

    blocks: int = 1

    @classmethod
    def grid(cls) -> list[LastLayers]:
        return [cls(1e-3, 96, 1), cls(3e-3, 96, 1), cls(3e-3, 96, 2)]

    def prepare(self, model: PreTrainedModel, batches: Batches) -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(batches.seed)
            fresh = cast(PreTrainedModel, type(model)(model.config)).to(cast(Any, model.device))
        with torch.no_grad():
            for old, new in zip(self.reinitialized(model), self.reinitialized(fresh), strict=True):
                for parameter, value in zip(old.parameters(), new.parameters(), strict=True):
                    parameter.copy_(value)

    def trained(self, model: PreTrainedModel) -> Iterable[nn.Parameter]:
        return [p for module in self.reinitialized(model) for p in module.parameters()]

    def reinitialized(self, model: PreTrainedModel) -> list[nn.Module]:
        """The modules that are reinitialized."""
        head, table = model.get_output_embeddings(), model.get_input_embeddings()
        last = list(gm.blocks(model)[-self.blocks :])
        return last if head is None or head.weight is table.weight else [*last, head]

    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        return cross_entropy(model, retain)
