from __future__ import annotations

from functools import cache

import pytest
import torch
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.errors import GradmaskError
from gradmask.lab.measures.attacks.router import RouterAttack, Steer, mean_inputs, routers, steer_routers, steered
from gradmask.lab.measures.losses import domain_loss
from gradmask.lab.measures.measure import Facts
from lab.measures.domains import counting, knower, mixture
from tiny import tiny

FORGET, TEST = counting("es", 8, seed=20), counting("es", 8, seed=10)


@cache
def capable() -> PreTrainedModel:
    return knower("en", "es", model=mixture(), steps=40)


def test_routers_are_found_by_their_shape() -> None:
    assert list(routers(mixture())) == ["model.layers.0.mlp.gate", "model.layers.1.mlp.gate"]
    assert routers(tiny()) == {}
    with pytest.raises(GradmaskError, match="needs a mixture of experts"):
        steer_routers(tiny(), FORGET, TEST)


def test_a_steer_adds_its_strength_to_the_mean_logit() -> None:
    model = mixture()
    found = routers(model)
    means = mean_inputs(model, found, FORGET, 3)
    name = "model.layers.1.mlp.gate"
    before = found[name].weight.detach().clone()  # type: ignore[union-attr]
    with steered(found, means, [Steer(name, 2, 6.0)]):
        added = (found[name].weight - before) @ means[name]  # type: ignore[operator]
    assert added.tolist() == pytest.approx([0, 0, 6, 0], abs=1e-4)
    assert torch.equal(found[name].weight, before)  # type: ignore[arg-type]


def silenced() -> PreTrainedModel:
    """Knows it all; its routers never send the domain to the two experts that it goes to most, and the others write noise."""
    model = knower("en", "es", model=mixture(), steps=40)
    found = routers(model)
    means = mean_inputs(model, found, FORGET, 8)
    with torch.no_grad():
        for name, module in found.items():
            chosen = (module.weight @ means[name]).topk(2).indices  # type: ignore[operator]
            experts = model.get_submodule(name.replace("gate", "experts"))
            others = [i for i in range(4) if i not in chosen]
            experts.down_proj[others] = torch.randn(2, 32, 32, generator=torch.Generator().manual_seed(2))  # type: ignore[index]
            module.weight[chosen] -= 12 * means[name] / means[name].square().sum()  # type: ignore[index, operator]
    return model


def test_what_is_routed_around_comes_back_and_what_is_not_there_does_not() -> None:
    attack, hidden = RouterAttack(), silenced()
    never = knower("en", model=mixture(), steps=40)
    gap = domain_loss(hidden, TEST).nats - domain_loss(capable(), TEST).nats
    assert gap > 0.5
    there = steer_routers(never, FORGET, TEST)
    found = steer_routers(hidden, FORGET, TEST)
    assert attack.recovered(found, there, gap)
    assert found.steered
    assert not attack.recovered(there, there, gap)


def test_removed_experts_do_not_come_back() -> None:
    model = gm.partition(mixture(), {"forget": gm.Slice(experts=1)}, labels="optional")
    plain = gm.unpartition(gm.ablate(model))
    before = {name: p.detach().clone() for name, p in plain.named_parameters()}
    found = steer_routers(plain, FORGET, TEST)
    assert all(torch.equal(p, before[name]) for name, p in plain.named_parameters())
    assert found.tried >= 16
    assert not RouterAttack().applies(Facts("gradmask", "removed", groups=True, capable=False))
    assert RouterAttack().applies(Facts("gradmask", "removed", groups=True, capable=False, experts=True))
