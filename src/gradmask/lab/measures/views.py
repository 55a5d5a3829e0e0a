"""The models that one trained arm gives: the full one, and the one with its removable groups taken out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, cast

from torch import nn

import gradmask as gm

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def views(model: nn.Module) -> tuple[str, ...]:
    """The models that one arm gives: ``full``, and ``removed`` where groups can be removed."""
    return ("full", "removed") if gm.is_partitioned(model) else ("full",)


@contextmanager
def viewed(model: nn.Module, view: str) -> Iterator[nn.Module]:
    """Run ``model`` as one of its `views`."""
    if view == "removed":
        with gm.without(model):
            yield model
    else:
        yield model


def plain_copy(model: nn.Module, view: str = "removed") -> PreTrainedModel:
    """A standalone plain copy of the model, as an attacker would receive it: removed weights are zero.

    A plain model is copied as it is, whatever the view. ``model`` is not changed.
    """
    own = cast("PreTrainedModel", deepcopy(model))
    if not gm.is_partitioned(own):
        return own
    return gm.unpartition(cast("PreTrainedModel", gm.ablate(own)) if view == "removed" else own)
