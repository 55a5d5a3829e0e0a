from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import gradmask as gm
from gradmask.lab.measures.attacks.relearning import (
    RelearningSettings,
    forget_loss,
    halves,
    relearn,
    with_areas,
)
from gradmask.lab.measures.material import role_losses
from lab.measures.domains import ROLES, knower, material
from tiny import tiny

ONE = RelearningSettings(methods=("full",), mixes=("even",), learning_rates=(1e-2,), steps=16, batch_size=8, points=4)


@pytest.mark.slow
def test_what_was_not_there_takes_longer_than_what_was() -> None:
    text = material()
    target = forget_loss(knower("en", "es"), text, ONE)
    new, old = (relearn(model, text, ONE, target).strongest for model in (knower("en"), knower("en", "es")))
    assert old.steps_to_target == 0
    assert new.steps_to_target is None or new.steps_to_target > 2
    assert new.curve[-1].losses["forget"] < new.curve[0].losses["forget"] - 0.5
    assert new.curve[-1].tokens == 16 * 8 * 16


def test_the_attacked_model_is_the_removed_one_and_stays_as_it_is() -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=16, embeddings=True)})
    with torch.no_grad():
        for parameter in gm.groups(model)["forget"].values():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    stream = torch.get_rng_state()
    text = material()
    first = relearn(model, text, ONE)
    assert torch.equal(torch.get_rng_state(), stream)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    with gm.without(model):
        removed = role_losses(model, text.test, ROLES)
    assert first.strongest.curve[0].losses == pytest.approx(removed)
    full = relearn(model, text, ONE, view="full").strongest.curve[0].losses
    assert full == pytest.approx(role_losses(model, text.test, ROLES))
    assert full != first.strongest.curve[0].losses
    assert relearn(model, text, ONE) == first


@pytest.mark.slow
def test_every_way_is_tried_and_the_strongest_comes_first() -> None:
    settings = RelearningSettings(learning_rates=(1e-4, 1e-2), steps=6, batch_size=4, points=3, rank=2)
    text = material(adjacent=True)
    found = relearn(knower("en"), text, settings, target=0.0)
    assert len({(a.method, a.data, a.learning_rate) for a in found.attacks}) == 12
    assert all(a.steps_to_target is None for a in found.attacks)
    lowest = [min(p.losses["forget"] for p in a.curve) for a in found.attacks]
    assert lowest == sorted(lowest)
    assert found.strongest.data in ("forget", "even")
    without = RelearningSettings().grid(adjacent=False)
    assert {mix for _, mix, _ in without} == {"even", "forget"}


def test_hopeless_attacks_are_given_up_where_asked() -> None:
    patient = RelearningSettings(
        methods=("full",), mixes=("forget",), learning_rates=(1e-2, 1e-6), steps=12, batch_size=8, points=5
    )
    text, model = material(), knower("en")
    last = [a.curve[-1].step for a in relearn(model, text, patient).attacks]
    assert last == [12, 12]
    hasty = relearn(model, text, replace(patient, give_up=0.25))
    assert [a.curve[-1].step for a in hasty.attacks] == [12, 3]
    assert hasty.strongest == relearn(model, text, patient).strongest


def test_nothing_to_attack_with_is_said() -> None:
    none = RelearningSettings(mixes=("adjacent",))
    with pytest.raises(gm.GradmaskError, match="no relearning attack is left: give methods, learning rates, and mixes"):
        relearn(tiny(), material(), none)


def test_the_rest_of_the_forget_text_is_not_used() -> None:
    ids = torch.arange(10).view(5, 2)
    used, other = halves(ids)
    assert sorted([*used.tolist(), *other.tolist()]) == ids.tolist()
    assert all(len(part) == 1 for part in halves(ids[:1]))


def test_areas_are_of_the_same_attack_on_the_never_trained() -> None:
    text = material()
    found, never_trained = (relearn(knower(*domains, steps=8), text, ONE) for domains in (("en", "es"), ("en",)))
    compared = with_areas(found, never_trained)
    assert compared.strongest.area is not None
    assert compared.strongest.area > 0
    assert with_areas(found, found).strongest.area == 0
    other = never_trained.model_copy(
        update={"attacks": [never_trained.strongest.model_copy(update={"method": "lora"})]}
    )
    assert with_areas(found, other).strongest.area is None


def test_losses_are_measured_more_often_at_first() -> None:
    assert RelearningSettings(steps=100, points=4).eval_steps() == [0, 1, 5, 22, 100]
    assert RelearningSettings(steps=1).eval_steps() == [0, 1]
