"""Calibration against the slow way: training the bias through the whole model."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tiny import VOCABULARY, tiny, tokens

import gradmask as gm
from gradmask.evaluate.calibration import Calibrated, CalibrationSettings, calibration_bias, token_logits
from gradmask.evaluate.losses import domain_loss

ROLES = {"a": "forget", "b": "retain", "c": "adjacent"}
SETS = {"a": tokens(6, 10, seed=1), "b": tokens(6, 10, seed=2), "c": tokens(6, 10, seed=3)}


def slow(model: torch.nn.Module, alpha: float, beta: float, steps: int) -> torch.Tensor:
    bias = torch.zeros(VOCABULARY, requires_grad=True)
    optimizer = torch.optim.AdamW([bias], lr=1e-2, weight_decay=0.0)
    weights = {"a": 1.0, "b": alpha, "c": beta}
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1e-2 + (1e-3 - 1e-2) * step / max(1, steps - 1)
        loss = torch.zeros(())
        for name, ids in SETS.items():
            logits = model(input_ids=ids).logits[:, :-1] + bias
            loss = loss + weights[name] / sum(weights.values()) * F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return bias.detach()


def everything(settings: CalibrationSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each step see every token once instead of a sample."""
    monkeypatch.setattr("torch.randint", lambda high, size, generator: torch.arange(high))


def test_it_is_what_training_a_bias_through_the_model_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny().eval()
    settings = CalibrationSettings(steps=12, alpha=3.0, beta=0.5)
    everything(settings, monkeypatch)
    found = calibration_bias(model, SETS, ROLES, settings)
    torch.testing.assert_close(found, slow(model, 3.0, 0.5, 12), rtol=1e-4, atol=1e-6)


def test_it_lowers_what_it_is_trained_on_and_moves_nothing_else() -> None:
    model = tiny().eval()
    before = {n: p.clone() for n, p in model.named_parameters()}
    bias = calibration_bias(model, SETS, ROLES, CalibrationSettings(steps=200, alpha=1.0))
    calibrated = Calibrated(model, bias)
    plain = sum(domain_loss(model, SETS[d]).nats for d in "ab")
    assert sum(domain_loss(calibrated, SETS[d]).nats for d in "ab") < plain - 0.05
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
    nothing = Calibrated(model, torch.zeros(VOCABULARY))
    assert domain_loss(nothing, SETS["a"]) == domain_loss(model, SETS["a"])


def test_the_retain_loss_is_what_alpha_protects() -> None:
    model = tiny().eval()
    losses = {}
    for alpha in (0.01, 100.0):
        bias = calibration_bias(model, SETS, ROLES, CalibrationSettings(steps=150, alpha=alpha))
        losses[alpha] = {d: domain_loss(Calibrated(model, bias), SETS[d]).nats for d in "ab"}
    assert losses[100.0]["b"] < losses[0.01]["b"]
    assert losses[100.0]["a"] > losses[0.01]["a"]


def test_tokens_are_spread_over_the_sequences() -> None:
    model = tiny().eval()
    logits, targets = token_logits(model, SETS["a"], tokens=18)
    assert (logits.shape, targets.shape) == ((18, VOCABULARY), (18,))
    assert targets.tolist() == [int(x) for row in SETS["a"] for x in row[[1, 5, 9]]]


def test_a_domain_without_a_role_is_refused() -> None:
    with pytest.raises(gm.GradmaskError, match=r"domains \['c'\] have no role"):
        calibration_bias(tiny(), SETS, {"a": "forget", "b": "retain"})
