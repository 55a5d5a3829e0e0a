"""Losses, gradient norms and gradients of the unlearning methods beside those of published code, for every choice of labels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from golden import FOLDER, golden
from gradmask.data import marked
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


UNLABELLED = {"all tokens": 0, "first token unlabelled": 1, "four tokens of prompt": 4}


def ids_of(values: Any, name: str, labels: str) -> Tensor:
    """Ids ``[n, length]`` in which the unlabelled tokens at the beginning are marked."""
    ids = torch.tensor(values[name])
    return marked(ids, (torch.arange(ids.shape[1]) >= UNLABELLED[labels]).expand_as(ids))


def check(method: Method, values: Any, row: Any, prepared: Any = None) -> None:
    """What the method gives, times γ: published losses are γ·forget + α·retain, ours forget + (α/γ)·retain."""
    model = model_of("model.safetensors")
    forget, retain = (ids_of(values, name, row["labels"]) for name in ("forget_ids", "retain_ids"))
    loss = row["gamma"] * method.loss(model, forget, retain, prepared)
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    norm = torch.stack([g.norm() for g in gradients.values()]).norm().item()
    assert (loss.item(), norm) == pytest.approx((row["loss"], row["gradient_norm"]), rel=CLOSE), row["labels"]
    for name, expected in (row["gradients"] or {}).items():
        if expected is not None and name in gradients:
            first = gradients[name].flatten()[: len(expected["first"])].tolist()
            assert first == pytest.approx(expected["first"], abs=CLOSE * max(1.0, expected["norm"])), name


def rows_of(values: Any, labels: str) -> list[Any]:
    """The rows with these labels; there is one."""
    rows = [row for row in values["rows"] if row["labels"] == labels]
    assert rows
    return rows


@pytest.mark.parametrize("labels", UNLABELLED)
@pytest.mark.parametrize("name", ["grad_diff", "npo", "simnpo"])
def test_losses(name: str, labels: str) -> None:
    values = golden(f"losses/{name}.json")
    reference = model_of("reference.safetensors") if name == "npo" else None
    for row in rows_of(values, labels):
        weight = row["alpha"] / row["gamma"]
        if name == "grad_diff":
            method: Method = GradientDifference(retain_weight=weight)
        elif name == "npo":
            method = NPO(beta=row["beta"], retain_weight=weight)
        else:
            method = SimNPO(beta=row["beta"], gamma=row["beta"] * row["delta"], retain_weight=weight)
        check(method, values, row, reference)


@pytest.mark.parametrize("labels", UNLABELLED)
def test_rmu(labels: str) -> None:
    values = golden("losses/rmu.json")
    for row in rows_of(values, labels):
        assert row["retain_loss_type"] == "EMBED_DIFF"
        blocks = len(model_of("model.safetensors").model.layers)
        method = RMU(layer=(values["layer"] + 0.5) / blocks, alpha=row["alpha"] / row["gamma"])
        target = row["steering_coeff"] * torch.tensor(values["unit_direction"])
        check(method, values, row, (model_of("reference.safetensors").eval(), target))
