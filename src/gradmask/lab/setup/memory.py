"""An estimate of the memory that training takes, from sizes alone."""

from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from gradmask.data import build_tokenizer
from gradmask.lab.recipe.build import config_of, pretrained_config
from gradmask.lab.recipe.spec import Recipe

WEIGHT, GRADIENT, MOMENTS = 4, 4, 8
"""Bytes per parameter: everything is kept in fp32, and AdamW has two moments."""
PER_HIDDEN = 34
"""Numbers that a block keeps for its backward pass, per token and hidden unit (Korthikanti et al., arXiv 2205.05198), without the
scores of attention, which fused attention does not keep."""
PER_LOGIT = 3
"""The logits, their softmax and their gradient."""


def empty_model(recipe: Recipe) -> PreTrainedModel:
    """The recipe's model without weights (on the device ``meta``)."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(model_config(recipe))


def model_config(recipe: Recipe) -> PreTrainedConfig:
    """The configuration of the recipe's model, with its vocabulary."""
    if recipe.model.pretrained is not None:
        return pretrained_config(recipe.model.pretrained)
    return config_of(recipe.model.config or {}, {"vocab_size": _vocabulary(recipe)})


def _vocabulary(recipe: Recipe) -> int:
    spec = recipe.data.tokenizer
    return spec.vocab_size if spec.trained else len(build_tokenizer(spec, ()))


def training_bytes(recipe: Recipe, model: PreTrainedModel) -> int:
    """Bytes of parameters, gradients, optimizer state and activations of one step of one process."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    config = model.config.get_text_config()
    tokens = recipe.train.batch_size // recipe.train.gradient_accumulation * recipe.data.sequence_length
    layers = 2 if recipe.train.gradient_checkpointing else config.num_hidden_layers
    number = 4 if recipe.train.precision == "fp32" else 2
    blocks = layers * PER_HIDDEN * config.hidden_size * tokens * number
    return parameters * (WEIGHT + GRADIENT + MOMENTS) + blocks + PER_LOGIT * tokens * config.vocab_size * 4
