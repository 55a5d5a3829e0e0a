"""Retraining the last layers (EU-k of Goel et al., arXiv 2201.06640, §4): what they knew is gone, the rest is as it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.lab.unlearning.method import Batches, Method, cross_entropy


@dataclass(frozen=True)
class LastLayers(Method):
    """The last ``blocks`` blocks and an untied head start anew and learn from retain text alone; the rest is frozen."""

    name: ClassVar[str] = "last_layers"
    blocks: int = 1

    def prepare(self, model: PreTrainedModel, batches: Batches) -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(batches.seed)
            fresh = cast(PreTrainedModel, type(model)(model.config)).to(cast(Any, model.device))
        with torch.no_grad():
            for part, new in zip(self.parts(model), self.parts(fresh), strict=True):
                for mine, its in zip(part.parameters(), new.parameters(), strict=True):
                    mine.copy_(its)

    def trained(self, model: PreTrainedModel) -> Iterable[nn.Parameter]:
        return [p for part in self.parts(model) for p in part.parameters()]

    def parts(self, model: PreTrainedModel) -> list[nn.Module]:
        """What starts anew."""
        head, table = model.get_output_embeddings(), model.get_input_embeddings()
        last = list(gm.blocks(model)[-self.blocks :])
        return last if head is None or head.weight is table.weight else [*last, head]

    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        return cross_entropy(model, retain)
