"""Tables that one group owns whole, looked up by token, position or bucket."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradmask.partitioning.kernel.token_mask import TokenMask
from gradmask.partitioning.owned.base import Owned
from gradmask.partitioning.owned.gradients import MaskGradient


class OwnedEmbedding(Owned):
    """A table looked up by token, position or bucket."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        mask = self.token_masks().get("weight") if torch.is_grad_enabled() else None
        # inside `reading` the table is chosen already, as for the rows of a group's own table or T5's relative positions
        if mask is None or "weight" in self.overrides():
            return super().forward(*args, **kwargs)
        with self.reading({"weight": self._parameters["weight"]}):
            out = super().forward(*args, **kwargs)
        return mask_gradient(out, mask)


def mask_gradient(out: Tensor, mask: TokenMask) -> Tensor:
    """Let gradient into ``out`` only from the chosen tokens; an output shared by the batch is repeated first."""
    if out.shape[0] == 1 and mask.batch > 1:
        # positions are looked up once for all examples; labels differ by example
        out = out.expand(mask.batch, *out.shape[1:])
    return MaskGradient.apply(out, mask.factors(tuple(out.shape[:-1])))
