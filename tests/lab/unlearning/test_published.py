"""Losses and gradient norms of the unlearning methods beside those of published code, on all tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from golden import FOLDER, golden
from gradmask.lab.unlearning.method import Method
from gradmask.lab.unlearning.methods.gradient_difference import GradientDifference
from gradmask.lab.unlearning.methods.npo import NPO
from gradmask.lab.unlearning.methods.rmu import RMU
from gradmask.lab.unlearning.methods.simnpo import SimNPO

CLOSE = 1e-5


def model_of(weights: str) -> PreTrainedModel:
    """The published test model with the weights of this file."""
    golden("losses/config.json")
    from safetensors.torch import load_file
    from transformers import AutoConfig

    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(FOLDER / "losses"))
    model.load_state_dict(load_file(FOLDER / "losses" / weights), strict=False)
    model.tie_weights()
    return model.train()


def loss_and_norm(method: Method, values: Any, prepared: Any, scale: float) -> tuple[float, float]:
    """What the method gives, times ``scale``: published losses are γ·forget + α·retain, ours forget + (α/γ)·retain."""
    model = model_of("model.safetensors")
    forget, retain = (torch.tensor(values[name]) for name in ("forget_ids", "retain_ids"))
    loss = scale * method.loss(model, forget, retain, prepared)
    loss.backward()
    norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
    return loss.item(), norm.item()


@pytest.mark.parametrize("name", ["grad_diff", "npo", "simnpo"])
def test_losses_on_all_tokens(name: str) -> None:
    values = golden(f"losses/{name}.json")
    reference = model_of("reference.safetensors") if name == "npo" else None
    rows = [row for row in values["rows"] if row["labels"] == "all tokens"]
    assert rows
    for row in rows:
        weight = row["alpha"] / row["gamma"]
        method: Method = {
            "grad_diff": lambda row=row, weight=weight: GradientDifference(retain_weight=weight),
            "npo": lambda row=row, weight=weight: NPO(beta=row["beta"], retain_weight=weight),
            "simnpo": lambda row=row, weight=weight: SimNPO(
                beta=row["beta"], gamma=row["beta"] * row["delta"], retain_weight=weight
            ),
        }[name]()
        found = loss_and_norm(method, values, reference, row["gamma"])
        assert found == pytest.approx((row["loss"], row["gradient_norm"]), rel=CLOSE), row


def test_rmu_on_all_tokens() -> None:
    values = golden("losses/rmu.json")
    rows = [r for r in values["rows"] if r["labels"] == "all tokens" and r["retain_loss_type"] == "EMBED_DIFF"]
    assert rows
    for row in rows:
        blocks = len(model_of("model.safetensors").model.layers)
        method = RMU(layer=(values["layer"] + 0.5) / blocks, alpha=row["alpha"] / row["gamma"])
        target = row["steering_coeff"] * torch.tensor(values["unit_direction"])
        prepared = model_of("reference.safetensors").eval(), target
        found = loss_and_norm(method, values, prepared, row["gamma"])
        assert found == pytest.approx((row["loss"], row["gradient_norm"]), rel=CLOSE), row
