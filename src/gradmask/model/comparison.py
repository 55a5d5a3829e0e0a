"""Does a partitioned model compute what the plain model computed? Compared on a tiny batch, when it is partitioned."""

from __future__ import annotations

import logging
import math
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.model.tiny_batch import outputs_on, tiny_batch
from gradmask.model.trying import Trial
from gradmask.partitioning.kernel.linear import SplitLinear
from gradmask.partitioning.owned.experts import RowWise

logger = logging.getLogger(__name__)


class Comparison:
    """The outputs of a plain model on a tiny batch, to be compared once it is partitioned.

    Args:
        model: the plain model; a model that cannot be tried (meta device, inputs that nothing says how to make up, an
            error in its own forward pass) is not compared.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.batch, self.before = tiny_batch(model), None
        if self.batch is None:
            logger.debug("outputs are not compared: no tiny batch can be made for this %s", type(model).__name__)
            return
        try:
            self.before: Tensor | None = outputs_on(model, self.batch)
        except Exception as error:  # a model may need inputs that its config does not show
            reason = f"{type(error).__name__}: {error}"
            logger.debug(
                "outputs are not compared: %s does not run on made-up tokens (%s)", type(model).__name__, reason
            )

    def trial(self) -> Trial | None:
        """To watch the partitioned model with; None where the plain one could not be tried."""
        return None if self.before is None or self.batch is None else Trial(self.batch)

    def difference(self, model: PreTrainedModel, exact: bool, trial: Trial | None = None) -> str | None:
        """What differs now, in words; None where nothing does.

        Args:
            model: the same model, partitioned.
            trial: watches the pass.
            exact: equal bit for bit; else within the rounding of sums that are added up in another order.
        """
        if self.before is None or self.batch is None:
            return None
        try:
            with nullcontext() if trial is None else trial.watching(model):
                after = outputs_on(model, self.batch)
        except Exception as error:
            return f"its forward pass fails ({type(error).__name__}: {error})"
        if after.shape != self.before.shape:
            return f"outputs have the shape {list(after.shape)} instead of {list(self.before.shape)}"
        if _same(after, self.before) or (not exact and _largest(after, self.before) <= rounding(model, self.before)):
            return None
        if not _same(outputs_on(model, self.batch), after):
            logger.debug("outputs are not compared: %s gives other outputs in every call", type(model).__name__)
            return None
        largest, scale = _largest(after, self.before), float(self.before.float().abs().max())
        return f"outputs on a made-up batch change by up to {largest:.3g} (the largest is {scale:.3g})"


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a, b) or (torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(), b.nan_to_num()))


def _largest(a: Tensor, b: Tensor) -> float:
    difference = (a.double() - b.double()).abs()
    return float(difference.max()) if difference.isfinite().all() else math.inf


def rounding(model: nn.Module, output: Tensor) -> float:
    """What another order of summation may change an output by.

    Each cut layer rounds its outputs anew, by a few units in the last place. These errors are independent, so over n
    layers they grow like the square root of n; 4 leaves room for the largest of many outputs.
    """
    layers = sum(isinstance(module, (SplitLinear, RowWise)) for module in model.modules())
    return 4 * math.sqrt(layers) * torch.finfo(output.dtype).eps * float(output.float().abs().max())
