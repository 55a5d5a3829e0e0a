"""Campaigns on planted outcomes: a model that hides what it knows, and one that never knew it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from transformers import PreTrainedModel

from gradmask.errors import GradmaskError
from gradmask.lab.measures.attacks.relearning import forget_loss
from gradmask.lab.measures.campaign import arms
from gradmask.lab.measures.campaign.attacking import Attacking
from gradmask.lab.measures.campaign.budget import Budget, parse_budget
from gradmask.lab.measures.campaign.pair import Found, Pair
from gradmask.lab.measures.campaign.records import Campaign, Trial
from gradmask.lab.measures.campaign.scoring import savings
from gradmask.lab.measures.campaign.words import campaign_words
from gradmask.lab.measures.measure import Facts
from gradmask.lab.measures.settings import RelearningSettings, SuiteSettings
from lab.measures.domains import counting, hider, knower, known, material

TEXT = material()
RELEARNING = RelearningSettings(methods=("full",), learning_rates=(3e-3,), steps=1, batch_size=4, points=3, sequences=8)
SETTINGS = SuiteSettings(sequences=8, calibration=None, relearning=RELEARNING)


@pytest.fixture(autouse=True)
def _few_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arms, "MIXES", ("forget", "even", "off_topic"))


@cache
def both() -> PreTrainedModel:
    return knower("en", "es")


def pair(model: PreTrainedModel, twin: PreTrainedModel | None, **changes: Any) -> Pair:
    values: dict[str, Any] = {
        "against": None if twin is None else "the filtered one",
        "material": TEXT,
        "settings": SETTINGS,
        "facts": Facts("m", "removed", groups=False, capable=False),
        "target": forget_loss(both(), TEXT, RELEARNING),
        "looks": lambda name: (_ for _ in ()).throw(GradmaskError("no looks here")),
    }
    return Pair(model, twin, **{**values, **changes})


def attacked(model: PreTrainedModel, steps: int = 75) -> Campaign:
    return Attacking(pair(model, known("en")), parse_budget(f"{steps} steps")).run()


@pytest.mark.slow
def test_what_was_hidden_comes_back_and_what_was_never_there_does_not() -> None:
    hidden, removed = attacked(hider()), attacked(knower("en", steps=50))
    assert hidden.strongest is not None
    assert hidden.strongest.recovered
    assert (hidden.strongest.share or 0) > 0.3
    assert hidden.recovered
    assert not removed.recovered
    assert (removed.strongest.share if removed.strongest else None) is not None
    said = campaign_words(hidden)
    assert said[0].startswith("After 75 steps of attacks (")
    assert said[0].endswith("beyond the filtered one; that counts as recovered.")
    assert "recovered" not in campaign_words(removed)[0]
    assert "no looks here" in said[-1]


def test_a_budget_in_steps_gives_the_same_trials_and_is_kept_to() -> None:
    kept: list[list[tuple[Trial, Found]]] = []
    whole = Attacking(
        pair(known("en"), known("en")), parse_budget("70 steps"), keep=lambda t: kept.append(list(t))
    ).run()
    assert 36 <= whole.steps <= 70
    assert whole.trials[-1].share == 0  # the twin itself
    assert not whole.recovered
    asked: list[str] = []
    again = Attacking(
        pair(known("en"), known("en")), parse_budget("70 steps"), kept=kept[sum(not t.steps for t in whole.trials) + 1]
    )
    again.pair.tune, tune = lambda arm, steps: (asked.append(arm.setting), tune(arm, steps))[1], again.pair.tune  # type: ignore[method-assign]
    assert [t.key for t in again.run().trials] == [t.key for t in whole.trials]
    assert (
        len(asked) == sum(t.steps > 0 for t in whole.trials) - 2
    )  # what was measured before the stop is not measured again


def test_a_budget_of_time_stops_before_it_is_over() -> None:
    now = iter(range(10**6))
    ticking = Attacking(pair(known("en"), None), Budget("5 s", "5s", seconds=5), clock=lambda: next(now))
    campaign = ticking.run()
    assert campaign.seconds <= 5
    assert campaign.against is None
    assert not campaign.recovered  # nothing to compare with
    assert any("the budget was spent before" in line for line in campaign.left) or campaign.steps


def test_without_a_model_that_knows_the_text_the_attacks_set_the_scale() -> None:
    campaign = Attacking(pair(hider(), known("en"), target=None), parse_budget("24 steps")).run()
    assert campaign.scale == "attacks"
    attempts = [a for t in campaign.trials for a in (t.model, t.never_trained) if a is not None]
    twin = pair(known("en"), known("en")).losses[1]
    assert twin is not None
    assert campaign.gap == pytest.approx(twin - min(a.lowest for a in attempts))


def test_savings_on_control_text_are_taken_off() -> None:
    text = replace(
        TEXT,
        train={**TEXT.train, "pt": counting("pt", 16)},
        test={**TEXT.test, "pt": counting("pt", 8, seed=7)},
        roles={**TEXT.roles, "pt": "control"},
    )
    campaign = Attacking(pair(hider(), known("en"), material=text), parse_budget("110 steps")).run()
    control = [t for t in campaign.trials if t.attack == "control"]
    assert control
    assert all(t.share is None and not t.recovered for t in control)
    alike = [t for t in campaign.trials if t.steps == control[0].steps and t.attack != "control"]
    assert alike
    assert alike[0].model is not None
    assert alike[0].never_trained is not None
    assert control[0].model is not None
    assert control[0].never_trained is not None
    expected = savings(alike[0].model, alike[0].never_trained) - savings(
        control[0].model, control[0].never_trained, "control"
    )
    assert alike[0].savings == pytest.approx(expected)
