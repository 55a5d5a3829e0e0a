"""Task-vector negation (Ilharco et al., arXiv 2212.04089, §4)."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from gradmask.lab.unlearning.method import Batches, Method, cross_entropy


@dataclass(frozen=True)
class TaskVector(Method):
    """θ − scale · (θ_forget − θ), θ_forget fine-tuned on forget text."""

    name = "task_vector"
    title = "task vector"
    source = "arXiv 2212.04089, §4"
    objective = "ℓ(*f*), which gives θ_f; the model is θ − s · (θ_f − θ)"
    order = 6
    color = "rust"
    marker = "v"

    scales: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)

    @classmethod
    def grid(cls) -> list[TaskVector]:
        return [cls(r, 32) for r in (1e-4, 3e-4, 1e-3)]

    @property
    def eval_steps(self) -> list[int]:
        return [self.steps]

    def settings_of(self, number: int) -> dict[str, Any]:
        """Every candidate has its own scale."""
        return {"learning_rate": self.learning_rate, "steps": self.steps, "scale": self.scales[number]}

    def candidates(self, model: PreTrainedModel, batches: Batches) -> Iterator[tuple[int, PreTrainedModel]]:
        finetuned = deepcopy(model)
        for _ in super().candidates(finetuned, batches):
            pass
        start = {name: p.detach().clone() for name, p in model.named_parameters()}
        for scale in self.scales:
            with torch.no_grad():
                for name, end in finetuned.named_parameters():
                    model.get_parameter(name).copy_(start[name] - scale * (end - start[name]))
            yield self.steps, model

    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        return cross_entropy(model, forget)
