"""RMU, representation misdirection for unlearning (Li et al., arXiv 2403.03218, §4; settings of arXiv 2512.05648)."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.lab.unlearning.method import Batches, Method


@dataclass(frozen=True)
class RMU(Method):
    """Push a block's output on forget text to a random direction; hold that on retain text where it was.

    Args:
        layer: the block whose output is steered, as a share of the depth. The MLPs of it and of the two before it learn.
        steering: length of the random vector.
        alpha: weight of the retain term.
    """

    name: ClassVar[str] = "rmu"
    layer: float = 0.6
    steering: float = 20.0
    alpha: float = 100.0

    def at(self, model: PreTrainedModel) -> int:
        """The steered block's index."""
        return min(len(gm.blocks(model)) - 1, int(self.layer * len(gm.blocks(model))))

    def trained(self, model: PreTrainedModel) -> Iterable[nn.Parameter]:
        last = self.at(model)
        return mlp_parameters(model, range(max(0, last - 2), last + 1))

    def prepare(self, model: PreTrainedModel, batches: Batches) -> Any:
        luck = torch.Generator().manual_seed(batches.seed)
        direction = torch.rand(model.config.get_text_config().hidden_size, generator=luck, device="cpu").to(
            model.device
        )
        return deepcopy(model).eval().requires_grad_(False), self.steering * direction / direction.norm()

    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        frozen, target = prepared
        with torch.no_grad():
            kept = self.output(frozen, retain)
        steered = F.mse_loss(*torch.broadcast_tensors(self.output(model, forget), target))
        return steered + self.alpha * F.mse_loss(self.output(model, retain), kept)

    def output(self, model: PreTrainedModel, ids: Tensor) -> Tensor:
        """The steered block's output ``[n, length, hidden]``."""
        seen: list[Tensor] = []  # not `hidden_states`: the last of those has been through the final norm

        def keep(block: nn.Module, given: Any, output: Any) -> None:
            seen.append(output if isinstance(output, Tensor) else output[0])

        handle = gm.blocks(model)[self.at(model)].register_forward_hook(keep)
        try:
            model(input_ids=ids, use_cache=False)
        finally:
            handle.remove()
        return seen[0]


def mlp_parameters(model: PreTrainedModel, layers: Iterable[int]) -> list[nn.Parameter]:
    """The weights of the MLPs, or of the experts, of these blocks."""
    wanted = set(layers)
    sites = (site for site in gm.sites(model) if site.layer in wanted and site.unit in ("neurons", "experts"))
    return list(dict.fromkeys(p for site in sites for p in site.parameters()))
