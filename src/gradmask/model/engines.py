"""Engines that gradmask does not know, refused by name."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from torch import nn

from gradmask.errors import GradmaskError

FRAMES = 24
"""How far up the stack DeepSpeed's engine is looked for: between it and the model lie only wrappers."""


def refuse_sharded(model: nn.Module) -> None:
    """Refuse to pickle or copy a model that FSDP2 shards.

    Raises:
        GradmaskError: what to use instead.
    """
    if hasattr(type(model), "set_requires_gradient_sync"):
        raise GradmaskError(
            f"this {type(model).__name__} is sharded by FSDP2, so a pickle would hold this rank's part only: use "
            "gm.save_sharded and gm.load_sharded"
        )


def refuse_parts(model: nn.Module) -> None:
    """Refuse to partition a model of which this process holds parts: tensor parallelism, or FSDP2 too early.

    Raises:
        GradmaskError: what to do instead.
    """
    degree = getattr(model, "_tp_size", None) or 1
    if degree > 1:
        raise GradmaskError(
            f"this {type(model).__name__} was opened with tp_plan, so each of {degree} processes holds a part of every layer: "
            "tensor parallelism is not supported. Open it without tp_plan, and shard it with FSDP2 after gm.partition"
        )
    for name, parameter in model.named_parameters():
        if hasattr(parameter, "full_tensor"):
            raise GradmaskError(
                f"{name} is sharded over processes already: call gm.partition on the whole model, then fully_shard"
            )


def refuse_deepspeed(model: nn.Module) -> None:
    """Refuse a model that DeepSpeed trains; costs a look-up in a dict where DeepSpeed was not imported.

    Its ZeRO optimizers flatten gradients of several groups together and fill missing ones with zeros, so what must not
    learn would still be moved.

    Raises:
        GradmaskError: what to use instead.
    """
    if "deepspeed" not in sys.modules:
        return
    first = next(model.parameters(), None)
    if hasattr(first, "ds_id") or hasattr(first, "_hp_mapping") or _engine_above():
        raise GradmaskError(
            "DeepSpeed is not supported: its optimizers keep the gradients of all groups in flat buffers, where what must not "
            "learn counts as zero and is moved by momentum and weight decay. Use DDP, or FSDP2 for sharded parameters "
            "(docs/distributed.md)"
        )


def _engine_above() -> bool:
    """Whether an engine of DeepSpeed called; it leaves no mark on the model that it trains."""
    frame: Any = inspect.currentframe()
    for _ in range(FRAMES):
        frame = frame.f_back if frame is not None else None
        if frame is None:
            return False
        caller = type(frame.f_locals.get("self"))
        if caller.__module__.partition(".")[0] == "deepspeed":
            return True
    return False
