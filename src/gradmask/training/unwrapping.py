"""The partitioned model inside of what training stacks put around it: DDP, FSDP, `torch.compile`, PEFT."""

from __future__ import annotations

from typing import cast

from torch import nn

from gradmask.errors import GradmaskError
from gradmask.model.attached import Gradmask, is_partitioned, partitioned

INSIDE = ("module", "_orig_mod", "_fsdp_wrapped_module", "base_model", "model", "pretrained_model")
"""Where wrappers keep the model that they wrap."""


def partitioned_inside(model: object) -> nn.Module | None:
    """The partitioned model that ``model`` is or wraps; None where there is none."""
    while isinstance(model, nn.Module):
        if is_partitioned(model):
            return model
        inner = [getattr(model, name, None) for name in INSIDE]
        model = next((x for x in inner if isinstance(x, nn.Module) and x is not model), None)
    return None


def gradmask_inside(model: object) -> Gradmask:
    """What gradmask attached to the partitioned model that ``model`` is or wraps.

    Raises:
        GradmaskError: there is none.
    """
    found = partitioned_inside(model)
    if found is None:
        raise GradmaskError(
            f"this {type(model).__name__} is not partitioned: call gm.partition(model, ...) or gm.load(path) first"
        )
    return cast(Gradmask, partitioned(found).gradmask)
