"""A made-up batch to try a model on, and what the model makes of it."""

from __future__ import annotations

import inspect
import logging
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from gradmask.partitioning.architectures.tracing import ordinary_tokens

logger = logging.getLogger(__name__)
LENGTH = 8
ROWS = 3
"""Of the batch on which a model is tried: as few other dimensions as possible have this size (`gradmask.model.trying`)."""


def random_batch(model: PreTrainedModel, rows: int = 2) -> dict[str, Any]:
    """A batch of random tokens, from the config."""
    ids = ordinary_tokens(model, rows, LENGTH)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()}


def main_output(output: Any) -> Tensor:
    """The logits of a Hugging Face output, or its first floating-point tensor."""
    if isinstance(output, Tensor):
        return output
    logits = getattr(output, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    values = output if isinstance(output, tuple) else output.values()
    return next(value for value in values if isinstance(value, Tensor) and value.is_floating_point() and value.dim())


def tiny_batch(model: PreTrainedModel) -> dict[str, Any] | None:
    """Inputs for one small forward pass; None where there is nothing to run them on (meta device) or nothing fits."""
    if any(parameter.is_meta for parameter in model.parameters()):
        return None
    if reads_text(model) and hasattr(model.config.get_text_config(), "vocab_size"):
        batch = {**random_batch(model, ROWS), **no_cache(model, type(model))}
        return batch if model.config.is_encoder_decoder else {k: v for k, v in batch.items() if k != "labels"}
    image = [getattr(model.config, name, None) for name in ("num_channels", "image_size")]
    if model.main_input_name == "pixel_values" and all(type(size) is int for size in image):
        channels, side = image
        generator = torch.Generator().manual_seed(0)
        pixels = torch.randn(1, channels, side, side, generator=generator, device="cpu")  # type: ignore[bad-argument-type]
        return {"pixel_values": pixels.to(model.device, model.dtype)}
    return None


def reads_text(model: PreTrainedModel) -> bool:
    """Whether the forward pass takes tokens, whatever the class calls its main input."""
    return model.main_input_name == "input_ids" or "input_ids" in inspect.signature(type(model).forward).parameters


def no_cache(model: PreTrainedModel, cls: type[PreTrainedModel]) -> dict[str, bool]:
    """The keyword by which ``model`` keeps no cache in the forward pass of ``cls``; none where it has no such keyword."""
    taken = inspect.signature(cls.forward).parameters
    passed_on = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in taken.values())
    keeps = getattr(model.config.get_text_config(), "use_cache", False)
    return {"use_cache": False} if "use_cache" in taken or (passed_on and keeps) else {}


@torch.no_grad()
def outputs_on(model: PreTrainedModel, batch: Mapping[str, Any]) -> Tensor:
    """The main output in evaluation mode, from the same random numbers every time; the model is left as it was."""
    with as_it_was(model):
        torch.manual_seed(0)
        return main_output(model.eval()(**batch)).clone()


@contextmanager
def as_it_was(model: nn.Module) -> Iterator[None]:
    """Restore modes, buffers and random number generators."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    cpu, python, numpy = torch.get_rng_state(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for buffer, value in buffers:
            if not torch.equal(buffer, value):
                buffer.copy_(value)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        random.setstate(python)
        np.random.set_state(numpy)
