"""A plain Hugging Face model with the tensors of a published one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from gradmask.checkpoints.importing.source import floating
from gradmask.checkpoints.known import with_biases
from gradmask.errors import GradmaskError


def filled(cls: type[PreTrainedModel], config: Any, state: dict[str, Tensor], folder: Path) -> PreTrainedModel:
    """A model of ``cls``, in evaluation mode, whose parameters are those of ``state``, bit for bit.

    Args:
        cls: of the model; a bias that it does not have is added to its layer.
        config: of the model.
        state: by the names of ``cls``; a tied head may be missing.
        folder: for messages.

    Raises:
        GradmaskError: a tensor too many, too few, or of another shape.
    """
    wider: Any = with_biases(cls, state)
    with torch.random.fork_rng(devices=[]):  # what is drawn is replaced
        model = wider(config).to(floating(state))
    model.__class__ = cls
    try:
        left = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise GradmaskError(f"{folder}: its tensors do not have the shapes that its config says: {error}") from None
    if left.unexpected_keys:
        raise GradmaskError(f"{folder} holds {left.unexpected_keys[0]}, which {cls.__name__} has no place for")
    model.tie_weights()
    tied = {id(p) for name, p in model.named_parameters(remove_duplicate=False) if name in state}
    named = dict(model.named_parameters(remove_duplicate=False))
    if missing := [name for name in left.missing_keys if id(named.get(name)) not in tied]:
        raise GradmaskError(f"{folder} lacks {missing[0]}: its files are damaged, or do not belong together")
    return model.eval()
