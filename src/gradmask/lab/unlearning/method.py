"""What every method has in common: batches, losses, and the loop that most of them are a loss for."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError

CLIP = 1.0
"""Gradients are clipped to this norm, so that an ascent cannot leave in one step."""
BROKEN = 2.0
"""An ascent is over once its forget loss is this many times that of a uniform guess."""


@dataclass(frozen=True)
class Batches:
    """Batches drawn by a seed, the same for every method and setting.

    Args:
        forget: token ids ``[n, length]`` of what is to be forgotten.
        retain: token ids ``[m, length]`` of what is to be kept.
        size: sequences per batch.
        seed: of the draws.
    """

    forget: Tensor
    retain: Tensor
    size: int
    seed: int = 0

    def pairs(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """(forget batch, retain batch) without end, drawn with replacement."""
        luck = torch.Generator().manual_seed(self.seed)
        while True:
            rows = [
                torch.randint(len(of), (self.size,), generator=luck, device="cpu") for of in (self.forget, self.retain)
            ]
            yield self.forget[rows[0]].to(device), self.retain[rows[1]].to(device)


@dataclass(frozen=True)
class Method(ABC):
    """A method with its settings: one point of its grid.

    ``learning_rate`` and ``steps`` are AdamW's (no weight decay). ``looks``: the steps after which the model is a candidate;
    they are tuned over like any other setting, at no cost.
    """

    name: ClassVar[str]
    learning_rate: float = 1e-4
    steps: int = 64

    @property
    def looks(self) -> list[int]:
        """After a quarter, half and all of the steps."""
        return sorted({max(1, self.steps // 4), max(1, self.steps // 2), self.steps})

    def settings(self) -> dict[str, Any]:
        """The settings by name, for reports."""
        return asdict(self)

    def settings_of(self, number: int) -> dict[str, Any]:
        """The settings of one of the candidates, counted from 0."""
        return self.settings()

    def candidates(self, model: PreTrainedModel, batches: Batches) -> Iterator[tuple[int, PreTrainedModel]]:
        """Change ``model`` in place; (steps, model) after every look.

        Raises:
            GradmaskError: the loss is no number.
        """
        prepared = self.prepare(model, batches)
        looks = self.looks
        optimizer = torch.optim.AdamW(list(self.trained(model)), self.learning_rate, weight_decay=0.0)
        model.train()
        for step, (forget, retain) in enumerate(batches.pairs(model.device), 1):
            optimizer.zero_grad(set_to_none=True)
            loss = self.loss(model, forget, retain, prepared)
            if not torch.isfinite(loss):
                raise GradmaskError(f"{self.name}: the loss is {float(loss)} at step {step} with {self.settings()}")
            loss.backward()
            nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], CLIP)
            optimizer.step()
            if step in looks:
                yield step, model
                model.train()
            if step >= looks[-1]:
                return

    def trained(self, model: PreTrainedModel) -> Iterable[nn.Parameter]:
        """The parameters that learn; by default all."""
        return model.parameters()

    def prepare(self, model: PreTrainedModel, batches: Batches) -> Any:
        """Whatever of the model as it was the loss needs."""
        return None

    @abstractmethod
    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        """What a step goes down on, for batches ``[size, length]`` of token ids."""


def cross_entropy(model: nn.Module, ids: Tensor) -> Tensor:
    """Mean next-token loss of ``[n, length]``, in nats."""
    return -sequence_log_probability(model, ids).sum() / (ids.shape[0] * (ids.shape[1] - 1))


def sequence_log_probability(model: nn.Module, ids: Tensor) -> Tensor:
    """log π(y) of every sequence of ``[n, length]``, given its first token: ``[n]``, in nats."""
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    losses = F.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="none")
    return -losses.view(len(ids), -1).sum(1)


def uniform_loss(model: PreTrainedModel) -> float:
    """The loss of a uniform guess, in nats."""
    return math.log(model.config.get_text_config().vocab_size)
