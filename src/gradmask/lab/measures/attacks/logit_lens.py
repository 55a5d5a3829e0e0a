"""The logit lens: what the head reads in the layers before the last one (nostalgebraist 2020; Belrose et al., arXiv 2303.08112).

Knowledge that a late layer suppresses is still there in an earlier one: the state after each layer goes through the last norm and
the head, as if it were the last, with the best of a few scales, since states grow from layer to layer. Hidden, not removed, is what
an inner layer of the model tells better than its own output by more than in a model that never saw the text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from gradmask.data import targets_of, tokens_of
from gradmask.errors import GradmaskError
from gradmask.lab.measures.losses import evaluating
from gradmask.lab.measures.measure import Attack, Cell, Inputs, Line, Strict
from gradmask.lab.measures.settings import SuiteSettings

NORMS = ("norm", "ln_f", "final_layernorm", "final_layer_norm", "final_norm", "norm_f", "layer_norm")
"""What architectures call the norm before the head."""
SCALES = (0.5, 1.0, 2.0)


class LogitLens(Strict):
    """Forget loss that the head reads after each layer (0: embeddings; the last is the model's own), in nats."""

    losses: list[float]

    @property
    def layer(self) -> int:
        """The layer that tells most."""
        return min(range(len(self.losses)), key=self.losses.__getitem__)


def logit_lens(model: nn.Module, sequences: Tensor, batch_size: int = 32) -> LogitLens:
    """The lens on a view of ``model`` for held-out ``sequences`` ``[n, length]``.

    Raises:
        GradmaskError: the model's last norm is not known by any of its usual names.
    """
    norm, head = final_norm(model), head_of(model)
    sums: dict[tuple[int, float], float] = {}
    count, last = 0, 0
    with evaluating(model):
        for batch in sequences.split(batch_size):
            batch = batch.to(next(model.parameters()).device)
            targets = targets_of(batch[:, 1:]).flatten()
            states = model(input_ids=tokens_of(batch), output_hidden_states=True, use_cache=False).hidden_states
            last = len(states) - 1
            for layer, state in enumerate(states):
                for scale in SCALES if layer < last else (1.0,):  # the last state has passed the norm already
                    read = state if layer == last else norm(state)
                    sums[layer, scale] = sums.get((layer, scale), 0.0) + _loss(head(scale * read[:, :-1]), targets)
            count += int((targets >= 0).sum())
    return LogitLens(
        losses=[min(value for (at, _), value in sums.items() if at == layer) / count for layer in range(last + 1)]
    )


def final_norm(model: Any) -> nn.Module:
    """The norm between the last layer and the head.

    Raises:
        GradmaskError: none of the usual names is there.
    """
    inner = model.get_decoder() if hasattr(model, "get_decoder") else model.base_model
    for place in (inner, model.base_model):
        for name in NORMS:
            if isinstance(norm := getattr(place, name, None), nn.Module):
                return norm
    raise GradmaskError(
        f"the logit lens does not know where the last norm of {type(model).__name__} is: none of {', '.join(NORMS)}"
    )


def head_of(model: Any) -> Callable[[Tensor], Tensor]:
    """The layer that gives logits."""
    return model.get_output_embeddings()


def _loss(logits: Tensor, targets: Tensor) -> float:
    return float(F.cross_entropy(logits.flatten(0, 1).float(), targets, reduction="sum", ignore_index=-100))


class LogitLensAttack(Attack[LogitLens]):
    name = "logit_lens"
    question = "does an inner layer tell what the output does not?"
    source = "nostalgebraist 2020; Belrose et al., arXiv 2303.08112"
    order = 5
    uses = frozenset()
    Result = LogitLens

    def run(self, model: nn.Module, inputs: Inputs) -> LogitLens:
        return logit_lens(model, inputs.material.marked_pool("test", "forget"), inputs.settings.batch_size)

    def cost(self, settings: SuiteSettings) -> float:
        return 4.0 * settings.sequences

    def regained(self, result: LogitLens) -> float:
        return result.losses[-1] - result.losses[result.layer]

    def numbers(self) -> dict[str, Callable[[LogitLens], float]]:
        return {"regained by the logit lens": self.regained}

    def lines(self) -> list[Line[LogitLens]]:
        return [Line("logit lens", "lowest forget loss that the head reads after a layer; small: that layer", _cell)]

    def title(self) -> str:
        return "the logit lens"

    def tried(self, result: LogitLens) -> str:
        return f"the logit lens on {len(result.losses) - 1} layers"


def _cell(result: LogitLens) -> Cell:
    return f"{result.losses[result.layer]:.3f}", f"layer {result.layer} of {len(result.losses) - 1}"
