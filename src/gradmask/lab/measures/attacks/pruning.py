"""The pruning attack: taking weights away must not bring back what was removed.

Pruning moves a model further than rounding does. Two ways: the smallest weights of each matrix (Han et al., arXiv 1506.02626),
which uncovers what small changes hide; and the weights that hold the forget text down, by the first order of its loss (g·w, as in
Molchanov et al., arXiv 1906.10771), which uncovers what a few weights suppress. The second looks at forget text, so that it helps
the perfect filter as well: what counts is what it helps beyond that.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gradmask.data import targets_of, tokens_of
from gradmask.lab.measures.attacks.quantization import calibrated_losses, matrices
from gradmask.lab.measures.measure import Attack, Cell, Inputs, Line, Strict
from gradmask.lab.measures.settings import SuiteSettings
from gradmask.lab.measures.views import plain_copy

SMALLEST = (0.1, 0.3, 0.5)
"""Shares of each matrix."""
HOLDING = (0.0003, 0.003, 0.03)
"""Shares of all weights."""


class Pruning(Strict):
    """Forget loss as it was (``before``), and after pruning: name -> loss, calibrated where the settings ask for it."""

    before: float
    after: dict[str, float]

    @property
    def strongest(self) -> str:
        return min(self.after, key=lambda name: self.after[name])


@torch.no_grad()
def prune_smallest(model: nn.Module, share: float) -> nn.Module:
    """Zero this share of every matrix, the smallest weights, in place."""
    for weight in matrices(model):
        count = int(share * weight.numel())
        if count:
            weight[weight.abs() <= weight.abs().flatten().kthvalue(count).values] = 0.0
    return model


@torch.no_grad()
def prune_holding(model: nn.Module, sequences: Tensor, share: float, batch_size: int = 32) -> nn.Module:
    """Zero this share of all weights, in place: those without which the loss on ``sequences`` would fall most."""
    weights = matrices(model)
    held = holding(model, weights, sequences, batch_size)
    every = torch.cat([h.flatten() for h in held])
    least = max(0.0, float(every.topk(max(1, int(share * len(every)))).values[-1]))
    for weight, h in zip(weights, held, strict=True):
        weight[(h >= least) & (h > 0)] = 0.0
    return model


def holding(model: nn.Module, weights: list[nn.Parameter], sequences: Tensor, batch_size: int) -> list[Tensor]:
    """g·w of each weight: by how much the loss on ``sequences`` would fall without it, to first order."""
    with torch.enable_grad():
        for batch in sequences.split(batch_size):
            batch = batch.to(weights[0].device)
            loss = model(input_ids=tokens_of(batch), labels=targets_of(batch), use_cache=False).loss
            (loss * len(batch) / len(sequences)).backward()
    held = [torch.zeros_like(w) if w.grad is None else w.grad * w.detach() for w in weights]
    model.zero_grad(set_to_none=True)
    return held


def pruning(model: nn.Module, inputs: Inputs) -> Pruning:
    """Forget losses of the view of ``model`` that ``inputs`` name, pruned in every way. ``model`` is not changed."""
    text, settings = inputs.material, inputs.settings
    attacked_with = text.marked_pool("calibration", "forget")

    def copy() -> nn.Module:
        return plain_copy(model, inputs.view).requires_grad_(True).eval()

    def loss(pruned: nn.Module) -> float:
        return calibrated_losses(pruned, text, settings.calibration)["forget"]

    after = {f"smallest {100 * s:g} %": loss(prune_smallest(copy(), s)) for s in SMALLEST}
    after |= {
        f"holding {100 * s:g} %": loss(prune_holding(copy(), attacked_with, s, settings.batch_size)) for s in HOLDING
    }
    return Pruning(before=loss(copy()), after=after)


class PruningAttack(Attack[Pruning]):
    name = "pruning"
    question = "does taking weights away bring it back?"
    source = "Han et al., arXiv 1506.02626; Molchanov et al., arXiv 1906.10771"
    order = 4
    uses = frozenset({"calibration"})
    in_view = False
    Result = Pruning

    def run(self, model: nn.Module, inputs: Inputs) -> Pruning:
        return pruning(model, inputs)

    def cost(self, settings: SuiteSettings) -> float:
        return 45.0 * settings.sequences

    def regained(self, result: Pruning) -> float:
        return result.before - result.after[result.strongest]

    def numbers(self) -> dict[str, Callable[[Pruning], float]]:
        return {"regained by pruning": self.regained}

    def lines(self) -> list[Line[Pruning]]:
        return [Line("after pruning", "lowest calibrated forget loss; small: as it was, and what was pruned", _cell)]

    def tried(self, result: Pruning) -> str:
        return f"pruning ({len(result.after)} ways)"


def _cell(result: Pruning) -> Cell:
    return f"{result.after[result.strongest]:.3f}", f"{result.before:.3f}, {result.strongest}"
