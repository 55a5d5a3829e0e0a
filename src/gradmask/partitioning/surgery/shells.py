"""A model without weights, to ask what its config makes of it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from transformers import PreTrainedModel


def shell_of(cls: type[PreTrainedModel], config: Any) -> PreTrainedModel:
    """A model of ``cls`` on the meta device.

    Constructors read ``config.dtype`` (the activation of Apertus), which is a word where a config was written or copied from
    a dict; random numbers are left as they were.
    """
    config = copy.deepcopy(config)
    for each in (config, config.get_text_config()):
        if isinstance(named := vars(each).get("dtype", vars(each).get("_dtype")), str):
            each.dtype = getattr(torch, named)
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        return cls(config)
