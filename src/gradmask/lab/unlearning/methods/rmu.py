"""RMU, representation misdirection for unlearning (Li et al., arXiv 2403.03218, §4; settings of arXiv 2512.05648)."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.data import tokens_of
from gradmask.lab.unlearning.method import Batches, Method


@dataclass(frozen=True)
class RMU(Method):
    """Steer a block's output on forget text towards a random vector; keep its output on retain text as it was.

    Args:
        layer: the block whose output is steered, as a share of the depth. Its MLP and those of the two blocks before it learn.
        steering: length of the random vector.
        alpha: weight of the retain term.
    """

    name = "rmu"
    title = "RMU"
    source = "arXiv 2403.03218, §4"
    objective = (
        "mean squared distance of a block's output on *f* from c·u, u a random unit vector, "
        "+ α · its distance on *r* from its output before unlearning"
    )
    updates = "MLPs (or experts) of the steered block and the two blocks before it"
    order = 1
    color = "rust"
    marker = "s"

    layer: float = 0.6
    steering: float = 20.0
    alpha: float = 100.0

    @classmethod
    def grid(cls) -> list[RMU]:
        return [cls(r, 48, steering=c) for r in (3e-4, 1e-3) for c in (5.0, 20.0)]

    def at(self, model: PreTrainedModel) -> int:
        """The steered block's index."""
        return min(len(gm.blocks(model)) - 1, int(self.layer * len(gm.blocks(model))))

    def trained(self, model: PreTrainedModel) -> Iterable[nn.Parameter]:
        last = self.at(model)
        return mlp_parameters(model, range(max(0, last - 2), last + 1))

    def prepare(self, model: PreTrainedModel, batches: Batches) -> Any:
        rng = torch.Generator().manual_seed(batches.seed)
        direction = torch.rand(model.config.get_text_config().hidden_size, generator=rng, device="cpu").to(model.device)
        return deepcopy(model).eval().requires_grad_(False), self.steering * direction / direction.norm()

    def loss(self, model: PreTrainedModel, forget: Tensor, retain: Tensor, prepared: Any) -> Tensor:
        frozen, target = prepared
        with torch.no_grad():
            kept = self.output(frozen, retain)
        steered = distance(self.output(model, forget), target, forget)
        return steered + self.alpha * distance(self.output(model, retain), kept, retain)

    def output(self, model: PreTrainedModel, ids: Tensor) -> Tensor:
        """The steered block's output ``[n, length, hidden]``."""
        outputs: list[Tensor] = []  # not `hidden_states`: the last of them has passed the final norm

        def keep(block: nn.Module, inputs: Any, output: Any) -> None:
            outputs.append(output if isinstance(output, Tensor) else output[0])

        handle = gm.blocks(model)[self.at(model)].register_forward_hook(keep)
        try:
            model(input_ids=tokens_of(ids), use_cache=False)
        finally:
            handle.remove()
        return outputs[0]


def distance(states: Tensor, target: Tensor, ids: Tensor) -> Tensor:
    """Mean squared distance of ``states`` ``[n, length, hidden]``, over the tokens of ``ids`` that count, then over sequences."""
    counted = ids >= 0
    squared = (states - target).square().mean(2) * counted
    return (squared.sum(1) / counted.sum(1).clamp(min=1)).mean()


def mlp_parameters(model: PreTrainedModel, layers: Iterable[int]) -> list[nn.Parameter]:
    """The weights of the MLPs, or of the experts, of these blocks."""
    wanted = set(layers)
    sites = (site for site in gm.sites(model) if site.layer in wanted and site.unit in ("neurons", "experts"))
    return list(dict.fromkeys(p for site in sites for p in site.parameters()))
