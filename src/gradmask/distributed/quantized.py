"""Quantized weights that FSDP2 must not shard."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from gradmask.distributed.engine import param_groups
from gradmask.errors import GradmaskError
from gradmask.partitioning.architectures.quantized import QUANTIZERS

KEEPS = "Linear4bit"
"""Of bitsandbytes: has what belongs to its weight in the layer. Other tensors of quantizers lose it where FSDP2 cuts them."""


def refuse_cut_weights(modules: Iterable[nn.Module]) -> None:
    """Refuse a model of which FSDP2 shards quantized weights that would lose their scales.

    Args:
        modules: what FSDP2 shards.

    Raises:
        GradmaskError: names the layer, and what to do.
    """
    for module in modules:
        for group in param_groups(module):
            for parameter in group.fsdp_params:
                _check(parameter._module_info)


def _check(place: Any) -> None:
    kinds = {kind.__name__ for kind in type(place.module).__mro__ if kind.__module__.partition(".")[0] in QUANTIZERS}
    if kinds and KEEPS not in kinds and place.param_name == "weight":
        raise GradmaskError(
            f"FSDP2 shards the quantized weights of a {min(kinds)}, which loses their scales: leave quantized weights whole on "
            "every process, with fully_shard(module, ignored_params={...}) for every module, use DDP, or open the model in 4 bits"
        )
