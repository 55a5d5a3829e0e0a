"""SGTM's published model and settings, from the golden values: a GPT-Neo whose head has a bias, tied to its embeddings."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

import gradmask as gm
from golden import FOLDER, golden

SLICE = {"forget": gm.Slice(heads=1, neurons=16)}
LABELS = {"forget": "forget", "retain": "retain", "default": "unlabeled"}
STRATEGIES = {
    "parameter_masking": "sgtm",
    "parameter_masking_no_mlp_proj": "sgtm_joint_mlp_projection",
    "parameter_masking_no_attn_proj": "sgtm_joint_attention_projection",
    "parameter_masking_no_proj": "sgtm_joint_projection",
    "parameter_masking_no_proj_no_attn": "sgtm_joint_attention",
    "gradient_routing": "gradient_routing",
    "activation_masking": "activation_masking",
}
SETTINGS = [(strategy, masked) for strategy in STRATEGIES for masked in (False, True)]


def policy_of(strategy: str, mask_embeddings: bool) -> str:
    """The name of the preset."""
    return STRATEGIES[strategy] + ("_mask_embeddings" if mask_embeddings else "")


def published(bias: bool = True) -> PreTrainedModel:
    """The plain model before training."""
    golden("sgtm/config.json")
    model: Any = AutoModelForCausalLM.from_pretrained(FOLDER / "sgtm")
    if bias:
        head = nn.Linear(model.lm_head.in_features, model.lm_head.out_features)
        nn.init.zeros_(head.bias)
        head.weight = model.transformer.wte.weight
        model.lm_head = head
    return model


def partitioned(strategy: str, mask_embeddings: bool, bias: bool = True, **settings: Any) -> PreTrainedModel:
    """The model under a preset, as named: no list of joint parameters is given."""
    return gm.partition(published(bias), SLICE, policy=policy_of(strategy, mask_embeddings), **settings).train()


@torch.no_grad()
def plain_gradients(model: PreTrainedModel) -> dict[str, Tensor]:
    """Gradients under the plain model's names; zeros where there is none."""
    values = copy.deepcopy(model)
    for mine, theirs in zip(values.parameters(), model.parameters(), strict=True):
        mine.copy_(torch.zeros_like(theirs) if theirs.grad is None else theirs.grad)
    return dict(gm.unpartition(values).named_parameters())


def check_logits(logits: Tensor, expected: Any) -> None:
    """Against a slice, the norm, and a checksum."""
    torch.testing.assert_close(logits[0, 0:4, 0:8], torch.tensor(expected["slice_0_0to4_0to8"]), rtol=0, atol=1e-5)
    check_tensor(logits, expected)


def check_tensor(values: Tensor, expected: Any) -> None:
    """Against the norm and a checksum, per entry."""
    flat = values.double().flatten()
    weights = torch.arange(len(flat), dtype=torch.float64).remainder(7) - 3
    scale = len(flat) ** 0.5
    assert abs(float(flat.norm()) - expected["norm"]) / scale < 1e-5
    assert abs(float((flat * weights).sum()) - expected["weighted_sum"]) / scale < 1e-5
