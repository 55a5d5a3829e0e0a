from __future__ import annotations

import pytest
import torch

import gradmask as gm
from gradmask.lab.measures.attacks.pruning import (
    HOLDING,
    SMALLEST,
    PruningAttack,
    holding,
    matrices,
    prune_holding,
    prune_smallest,
    pruning,
)
from gradmask.lab.measures.attacks.router import mean_inputs
from gradmask.lab.measures.losses import domain_loss
from gradmask.lab.measures.measure import Inputs
from gradmask.lab.measures.settings import SuiteSettings
from lab.measures.domains import counting, knower, known, material, mixture
from tiny import tiny

INPUTS = Inputs("removed", material(), SuiteSettings(sequences=8, calibration=None))


def test_the_smallest_weights_of_each_matrix_go() -> None:
    model, before = mixture(), mixture()
    prune_smallest(model, 0.3)
    for weight, old in zip(matrices(model), matrices(before), strict=True):
        gone = weight == 0
        assert int(gone.sum()) == int(0.3 * weight.numel())
        assert old[gone].abs().max() <= old[~gone].abs().min()
    spared = {"model.embed_tokens.weight", "lm_head.weight"}
    assert all(torch.equal(dict(model.named_parameters())[n], dict(before.named_parameters())[n]) for n in spared)


def test_first_order_is_what_a_small_step_towards_zero_does() -> None:
    model, text = tiny().double(), counting("es", 6, seed=1)
    weights = matrices(model)
    held, step = holding(model, weights, text, 4), 1e-5
    with torch.no_grad():
        loss = domain_loss(model, text).nats
        weights[3].mul_(1 - step)
        assert (loss - domain_loss(model, text).nats) / step == pytest.approx(float(held[3].sum()), rel=1e-2)


def test_what_a_few_weights_hold_down_comes_back() -> None:
    never, hider, text = known("en"), knower("en", "es"), counting("es", 16, seed=10)
    level = domain_loss(hider, text).nats
    layer = {"mlp": hider.model.layers[-1].mlp}  # type: ignore[union-attr]
    here, there_ = (mean_inputs(hider, layer, counting(d, 16), 16)["mlp"] for d in ("es", "en"))
    head = hider.get_output_embeddings().weight
    with torch.no_grad():  # a neuron that fires on the domain and writes against its tokens
        towards = (here - there_) / (here - there_).square().sum()
        layer["mlp"].gate_proj.weight[0] = 4 * towards
        layer["mlp"].up_proj.weight[0] = 4 * towards
        against = head[3:23].mean(0) - head[23:43].mean(0)
        layer["mlp"].down_proj.weight[:, 0] = 2 * against / against.norm()
    gap = domain_loss(hider, text).nats - level
    assert gap > 1
    attack, there = PruningAttack(), pruning(never, INPUTS)
    found = pruning(hider, INPUTS)
    assert attack.recovered(found, there, gap)
    assert not attack.recovered(there, there, gap)
    assert set(found.after) == {
        *(f"smallest {100 * s:g} %" for s in SMALLEST),
        *(f"holding {100 * s:g} %" for s in HOLDING),
    }


def test_removed_weights_do_not_come_back_and_nothing_changes() -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=16)})
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    found = pruning(model, INPUTS)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    with gm.without(model):
        assert found.before == pytest.approx(domain_loss(model, INPUTS.material.test["es"]).nats, rel=1e-5)
    pruned = prune_holding(tiny(), counting("es", 4), 0.01)
    assert sum(int((w == 0).sum()) for w in matrices(pruned)) <= 0.01 * sum(w.numel() for w in matrices(pruned)) + 1
