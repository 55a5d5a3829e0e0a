"""Task-vector negation (Ilharco et al., arXiv 2212.04089, §4)."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers import PreTrainedModel

from gradmask.lab.unlearning.method import Batches, Method, cross_entropy


@dataclass(frozen=True)
class TaskVector(Method):
    """θ − scale · (θ_forget − θ), θ_forget fine-tuned on forget text."""

    name: ClassVar[str] = "task_vector"
    scales: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)

    @property
    def looks(self) -> list[int]:
        return [self.steps]

    def settings_of(self, number: int) -> dict[str, Any]:
        """Each candidate has a scale of its own."""
        return {"learning_rate": self.learning_rate, "steps": self.steps, "scale": self.scales[number]}

    def candidates(self, model: PreTrainedModel, batches: Batches) -> Iterator[tuple[int, PreTrainedModel]]:
        tuned = deepcopy(model)
        for _ in super().candidates(tuned, batches):
            pass
        start = {name: p.detach().clone() for name, p in model.named_parameters()}
        for scale in self.scales:
            with torch.no_grad():
                for name, end in tuned.named_parameters():
                    model.get_parameter(name).copy_(start[name] - scale * (end - start[name]))
            yield self.steps, model

    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        return cross_entropy(model, forget)
