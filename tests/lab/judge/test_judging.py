"""Planted outcomes, each judged rightly: from results as a run would write them to the verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradmask.lab.judge.facts import Facts, Price, facts_of
from gradmask.lab.judge.judging import judge
from gradmask.lab.judge.reasons import REASONS
from gradmask.lab.measures.headline import headline
from gradmask.lab.measures.results import ArmResult, DomainResult, Point, Results

KEPT, GONE = "en", "es"


def domain(role: str, loss: float) -> DomainResult:
    return DomainResult.model_validate(
        {
            "role": role,
            "loss": loss,
            "error": 0.005,
            "perplexity": 1.0,
            "calibrated_loss": None,
            "bits_per_byte": None,
            "tokens": 1000,
        }
    )


def arm(
    tokens: int = 1000, curve: tuple[float, ...] = (8.0, 5.0, 4.2, 4.0), **models: tuple[float, float]
) -> ArmResult:
    """An arm whose models have these losses on what is kept and on what is removed."""
    step = tokens // len(curve)
    return ArmResult(
        title="gradmask" if len(models) > 1 else "baseline",
        parameters={"retain": 1},
        steps=100,
        tokens=tokens,
        seconds=1.0,
        models={
            name: {KEPT: domain("retain", kept), GONE: domain("forget", gone)} for name, (kept, gone) in models.items()
        },
        curve=[
            Point(step=i * step, tokens=i * step, losses={"full": {KEPT: x, GONE: x}}) for i, x in enumerate(curve, 1)
        ],
    )


def results(
    full: tuple[float, float] = (4.0, 4.02),
    removed: tuple[float, float] = (4.0, 7.9),
    filtered: tuple[float, float] = (4.0, 5.0),
    never_trained: tuple[float, float] = (4.0, 8.0),
    no_filter: tuple[float, float] = (4.0, 4.0),
    tokens: int = 1000,
    curve: tuple[float, ...] = (8.0, 5.0, 4.2, 4.0),
    guessed: float = 6.3,
) -> Results:
    arms = {
        "gradmask": arm(tokens, full=full, removed=removed),
        "no_filter": arm(curve=curve, full=no_filter),
        "filter": arm(full=filtered),
        "perfect_filter": arm(full=never_trained),
    }
    return Results(
        name="x",
        created="",
        command="",
        versions={},
        recipe={},
        frequencies={KEPT: guessed, GONE: guessed},
        arms=arms,
        headline=headline(arms),
    )


PLANTED = {
    "good": (results(), "works", None),
    "damaged": (results(removed=(4.7, 10.4)), "failed", "damaged"),
    "ignorant full model": (results(full=(4.0, 7.0)), "failed", "ignorant"),
    "nothing to remove": (results(never_trained=(4.0, 4.005), removed=(4.0, 4.01)), "not known", "nothing_to_remove"),
    "price too high": (results(removed=(4.4, 7.9)), "failed", "kept_lost"),
    "not removed": (results(removed=(4.0, 4.5)), "failed", "not_removed"),
    "removed in part": (results(removed=(4.0, 7.0)), "works at a price", "in_part"),
    "too short": (
        results(
            never_trained=(8.0, 8.001),
            no_filter=(8.0, 8.0),
            removed=(8.0, 8.0),
            full=(8.0, 8.0),
            curve=(9.0, 8.9, 8.6, 8.0),
            guessed=20.0,
        ),
        "not known",
        "too_short",
    ),
    "too short, with a gap": (results(guessed=4.5), "not known", "too_short"),
    "too short, and damaged": (results(removed=(4.7, 10.4), guessed=4.1), "not known", "too_short"),
    "too short, worse than counting": (results(guessed=3.5), "not known", "too_short"),
    "a price on what is kept": (results(removed=(4.08, 7.9)), "works at a price", "kept"),
    "a price of the full model": (results(full=(4.1, 4.02)), "works at a price", "full_kept"),
    "the full model is damaged": (results(full=(4.32, 4.2)), "failed", "full_lost"),
    "a filter does better": (results(removed=(4.0, 7.7), filtered=(4.0, 7.95)), "works at a price", "behind_filter"),
    "more compute": (results(tokens=1300), "works at a price", "extra_compute"),
    "further than never trained": (results(removed=(4.0, 8.6)), "works at a price", "too_far"),
}


@pytest.mark.parametrize("case", PLANTED)
def test_planted_outcomes(case: str) -> None:
    made, outcome, reason = PLANTED[case]
    judgement = judge(facts_of(made))
    assert judgement.outcome == outcome, judgement.sentence
    assert judgement.reasons[:1] == (() if reason is None else (reason,)), judgement.reasons


def test_a_run_that_learned_little_more_than_frequencies_is_told_with_its_numbers() -> None:
    sentence = judge(facts_of(results(guessed=4.5))).sentence
    assert "There is no verdict: the run is too short" in sentence
    assert "its loss is 4.00 nats, and 4.50 by counting how often each token occurs" in sentence
    assert "Train longer" in sentence or "train longer" in sentence
    assert judge(facts_of(results(guessed=4.0 / 0.85 + 0.01))).outcome == "works"
    assert judge(facts_of(results(guessed=4.0 / 0.85 - 0.01))).outcome == "not known"
    earlier = results(guessed=4.5).model_copy(update={"frequencies": {}})
    assert judge(facts_of(earlier)).outcome == "works", "results of earlier versions do not tell"


def test_a_number_above_100_percent_is_never_merit() -> None:
    sentence = judge(facts_of(PLANTED["damaged"][0])).sentence
    assert "damaged" in sentence
    assert "160 %" in sentence
    assert not sentence.startswith("It works")
    further = judge(facts_of(PLANTED["further than never trained"][0]))
    assert "100 % of the knowledge" in further.sentence
    assert "sign of damage" in further.sentence


def test_hidden_knowledge_is_a_failure() -> None:
    facts = replace(facts_of(results()), recovered=("relearning",), attacked=True)
    judgement = judge(facts)
    assert (judgement.outcome, judgement.reasons[0]) == ("failed", "recovered")
    assert "recovered by relearning" in judgement.sentence


def test_without_a_scale_nothing_is_invented() -> None:
    arms = {name: a for name, a in results().arms.items() if name not in ("perfect_filter", "filter")}
    without = results().model_copy(update={"arms": arms, "headline": headline(arms)})
    judgement = judge(facts_of(without))
    assert (judgement.outcome, judgement.reasons) == ("not known", ("no_scale",))
    alone = {"gradmask": results().arms["gradmask"]}
    assert judge(facts_of(without.model_copy(update={"arms": alone, "headline": headline(alone)}))).reasons == (
        "incomplete",
    )


def test_what_the_error_explains_is_no_damage() -> None:
    narrow = results(removed=(4.03, 4.14), never_trained=(4.0, 4.115), full=(4.0, 4.0))
    assert facts_of(narrow).gap_closed == pytest.approx(0.14 / 0.115)
    assert not replace(facts_of(narrow), error=0.05).too_far
    assert replace(facts_of(narrow), error=0.02).too_far
    assert "damaged" not in judge(replace(facts_of(narrow), error=0.05)).reasons


def test_compute_is_taken_where_it_was_measured() -> None:
    facts = Facts("es", gap=4.0, gap_closed=0.97, removed={"retain": Price(0.1, 0.99)}, full={"forget": Price(0.0)})
    assert judge(facts).outcome == "works"
    assert judge(replace(facts, removed={"retain": Price(0.1, 0.9)})).outcome == "works at a price"
    assert judge(replace(facts, removed={"retain": Price(0.1, 0.5)})).outcome == "failed"
    assert judge(replace(facts, removed={"retain": Price(0.001, 0.5)})).outcome == "works"


def test_every_reason_is_reached_by_a_case() -> None:
    reached = {name for made, _, _ in PLANTED.values() for name in judge(facts_of(made)).reasons}
    elsewhere = {"incomplete", "no_scale", "recovered", "adjacent", "adjacent_lost", "signs", "knows_less"}
    assert {reason.name for reason in REASONS} == reached | elsewhere
    near = Facts("es", gap=4.0, gap_closed=0.97, removed={"adjacent": Price(0.1)}, full={"forget": Price(1.0)})
    assert set(judge(near).reasons) == {"adjacent", "knows_less"}
    assert judge(replace(near, removed={"adjacent": Price(0.3)})).reasons[0] == "adjacent_lost"
    assert "signs" in judge(replace(near, damage=("gradmask: repeats itself",))).reasons
