"""Reinforcement learning with data labels that are decided after generation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from gradmask.errors import GradmaskError
from gradmask.model.labels import labels
from gradmask.training.unwrapping import gradmask_inside

if TYPE_CHECKING:
    Base: Any = object
else:
    Base = object


class LabelsFromRewards(Base):
    """Mixed into TRL's `GRPOTrainer` or `RLOOTrainer`: reward functions decide the data labels of what was generated.

    One of the reward functions calls ``log_extra("data_labels", labels)``, with a name or an id for each completion; TRL gives
    it ``log_extra``, and shows the labels among the logged completions. The loss is then made under these labels::

        class Trainer(gm.LabelsFromRewards, GRPOTrainer): ...

    Advantages are relative to the other completions of the same prompt. So a completion that a reward hack makes look poor
    teaches something, too: give all completions of a prompt the group's label if any of them hacks.
    """

    _completion_labels: list[Any] | None = None

    def _log_completion_extra(self, column: str, values: Sequence[Any]) -> None:
        if column == "data_labels":
            self._completion_labels = list(values)
        super()._log_completion_extra(column, values)

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        self._completion_labels = None
        output = super()._generate_and_score_completions(inputs)
        rows = len(output["completion_ids"])
        given = self._completion_labels
        if given is None or len(given) != rows:
            raise GradmaskError(
                f"{rows} completions were generated, and reward functions gave {len(given or [])} data labels: call "
                'log_extra("data_labels", labels) once in one of them, with a name or an id for each completion'
            )
        encoded = gradmask_inside(self.model).router.encode(given, rows)
        device = output["completion_ids"].device
        # a tensor: TRL shuffles and splits all of them alike
        output["data_labels"] = torch.as_tensor(encoded).expand(rows).clone().to(device)
        return output

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        with labels(self.model, inputs["data_labels"]):
            return super()._compute_loss(model, inputs)
