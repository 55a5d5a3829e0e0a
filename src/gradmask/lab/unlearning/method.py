"""What all methods share: batches, losses, and the training loop, for which most methods only supply a loss."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.data import targets_of, tokens_of
from gradmask.errors import GradmaskError

CLIP = 1.0
"""Gradients are clipped to this norm, so that gradient ascent cannot diverge in a single step."""
BROKEN = 2.0
"""Gradient ascent stops once the forget loss is this many times the loss of a uniform guess."""


@dataclass(frozen=True)
class Batches:
    """Batches drawn by a seed, the same for every method and setting.

    Args:
        forget: token ids ``[n, length]`` of text to forget; ``~id`` where the loss does not count, see `gradmask.data.counted`.
        retain: token ids ``[m, length]`` of text to keep.
        size: sequences per batch.
        seed: of the draws.
    """

    forget: Tensor
    retain: Tensor
    size: int
    seed: int = 0

    def pairs(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """Endless (forget batch, retain batch), drawn with replacement."""
        rng = torch.Generator().manual_seed(self.seed)
        while True:
            forget, retain = (
                ids[torch.randint(len(ids), (self.size,), generator=rng, device="cpu")]
                for ids in (self.forget, self.retain)
            )
            yield forget.to(device), retain.to(device)


@dataclass(frozen=True)
class Method(ABC):
    """An unlearning method with its settings: one point of its grid.

    A subclass in a file of its own in ``methods`` is an arm of every recipe and comparison. What describes it are class
    attributes:

    Args:
        learning_rate: of AdamW, without weight decay.
        steps: optimizer steps.

    Attributes:
        name: how recipes call it; the name of its file.
        title: how tables and figures call it.
        source: where it was published.
        objective: the loss, for the documentation: ℓ mean next-token loss, *f* forget text, *r* retain text.
        updates: which parameters learn, for the documentation.
        order: its place among the methods; those of one number are in alphabetical order.
        color, marker: how figures draw it, see `gradmask.lab.report.style`; by default they follow from the name.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    objective: ClassVar[str]
    updates: ClassVar[str] = "everything"
    order: ClassVar[int] = 100
    color: ClassVar[str] = ""
    marker: ClassVar[str] = ""

    learning_rate: float = 1e-4
    steps: int = 64

    @classmethod
    @abstractmethod
    def grid(cls) -> Sequence[Method]:
        """The settings to choose from. Learning rates are those of small models, higher than in the papers."""

    @property
    def eval_steps(self) -> list[int]:
        """The steps after which the model is a candidate: a quarter, half and all of them, which costs no training."""
        return sorted({max(1, self.steps // 4), max(1, self.steps // 2), self.steps})

    def settings(self) -> dict[str, Any]:
        """The settings by name, for reports."""
        return asdict(self)

    def settings_of(self, number: int) -> dict[str, Any]:
        """The settings of one of the candidates, counted from 0."""
        return self.settings()

    def candidates(self, model: PreTrainedModel, batches: Batches) -> Iterator[tuple[int, PreTrainedModel]]:
        """Change ``model`` in place; yields (steps, model) at each of `eval_steps`.

        Raises:
            GradmaskError: the loss is not finite.
        """
        prepared = self.prepare(model, batches)
        eval_steps = self.eval_steps
        optimizer = torch.optim.AdamW(list(self.trained(model)), self.learning_rate, weight_decay=0.0)
        model.train()
        for step, (forget, retain) in enumerate(batches.pairs(model.device), 1):
            optimizer.zero_grad(set_to_none=True)
            loss = self.loss(model, forget, retain, prepared)
            if not torch.isfinite(loss):
                raise GradmaskError(
                    f"{self.name}: the loss is not finite ({float(loss)}) at step {step} with {self.settings()}"
                )
            loss.backward()
            nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], CLIP)
            optimizer.step()
            if step in eval_steps:
                yield step, model
                model.train()
            if step >= eval_steps[-1]:
                return

    def trained(self, model: PreTrainedModel) -> Iterable[nn.Parameter]:
        """The parameters that learn; by default all."""
        return model.parameters()

    def prepare(self, model: PreTrainedModel, batches: Batches) -> Any:
        """What the loss needs to know of the model before training; handed to every call of `loss`."""
        return None

    @abstractmethod
    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        """The loss of one step, for batches ``[size, length]`` of token ids."""


def cross_entropy(model: nn.Module, ids: Tensor) -> Tensor:
    """Mean next-token loss of ``[n, length]``, in nats, over the tokens that count."""
    return -sequence_log_probability(model, ids).sum() / (ids[:, 1:] >= 0).sum().clamp(min=1)


def sequence_log_probability(model: nn.Module, ids: Tensor) -> Tensor:
    """log π(y) of every sequence of ``[n, length]``, given its first token: ``[n]``, in nats."""
    logits = model(input_ids=tokens_of(ids), use_cache=False).logits[:, :-1]
    losses = F.cross_entropy(logits.flatten(0, 1).float(), targets_of(ids[:, 1:]).flatten(), reduction="none")
    return -losses.view(len(ids), -1).sum(1)


def uniform_loss(model: PreTrainedModel) -> float:
    """The loss of a uniform guess, in nats."""
    return math.log(model.config.get_text_config().vocab_size)
