"""Tiny random models for tests, built from configs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

VOCABULARY = 64
DEVICE = torch.get_default_device().type
"""Where the tests run: ``cpu``, or what GRADMASK_TEST_DEVICE says."""
cpu_only = pytest.mark.skipif(DEVICE != "cpu", reason=f"of the CPU by its nature; the tests run on {DEVICE}")
"""For what shares memory with NumPy, or moves a model between the CPU and the disk."""

CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
    },
    "gpt2": {
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 64,
        "attn_pdrop": 0,
        "embd_pdrop": 0,
        "resid_pdrop": 0,
    },
    "gpt_neo": {
        "hidden_size": 32,
        "num_layers": 2,
        "num_heads": 4,
        "attention_types": [[["global", "local"], 1]],
        "max_position_embeddings": 64,
    },
}


def tiny(model_type: str = "llama", seed: int = 0, **overrides: Any) -> PreTrainedModel:
    """A model with random weights; biases and norms too, so that no test passes because something is zero or one."""
    torch.manual_seed(seed)
    values = {"vocab_size": VOCABULARY, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(model_type, **{**values, **CONFIGS[model_type], **overrides})
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def tokens(batch: int = 3, length: int = 9, seed: int = 0) -> torch.Tensor:
    """Random token ids ``[batch, length]``."""
    return integers(3, VOCABULARY, (batch, length), seed)


def integers(low: int, high: int, shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """The same random integers on every device, on the default one."""
    luck = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, shape, generator=luck, device="cpu").to(torch.get_default_device())


def normal(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """The same random numbers on every device, on the default one."""
    luck = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=luck, device="cpu").to(torch.get_default_device())
