from __future__ import annotations

import pytest

from gradmask.lab.judge.facts import facts_of
from gradmask.lab.judge.judging import judge, verdict_of
from gradmask.lab.measures.numbers import listed, nats, percent
from gradmask.lab.measures.results import Headline
from gradmask.lab.report.words import forgotten, verdict
from lab.measures.fabricated import arm, results


def headline(**values: float | None) -> Headline:
    return Headline(calibrated=True, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("closed", [0.95, 0.7, 0.2, -0.1, None])
def test_the_first_sentence_is_the_judges(closed: float | None) -> None:
    some = results(headline=headline(gap_closed=closed))
    said = verdict(some)
    assert said[0] == judge(facts_of(some)).sentence
    assert said[0].startswith("There is no verdict" if closed is None else "It failed: ")
    stored = some.model_copy(update={"verdict": verdict_of(results())})
    assert verdict(stored)[0] == verdict(results())[0]
    assert not any("for good" in sentence for sentence in said)


def test_the_numbers_are_in_the_words() -> None:
    said = " ".join(verdict(results()))
    assert "goes 92 % of the way from a model trained on everything to one that never saw es" in said
    assert "Filtering the data by the same labels goes 28 % of the way." in said
    assert "On what is kept, the removed model has a calibrated loss 0.060 nats higher (worse)" in said
    assert "on es, the full model has a calibrated loss 0.220 nats higher (worse)" in said


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (-0.0123, "0.012 nats lower (better)"),
        (0.5, "0.500 nats higher (worse)"),
        (0.0001, "has the calibrated loss of"),
    ],
)
def test_differences_say_which_way_is_better(difference: float, words: str) -> None:
    assert words in verdict(results(headline=headline(retain_difference=difference)))[1]


def test_the_last_sentence_says_what_was_and_was_not_tried() -> None:
    last = verdict(results())[-1]
    assert "The checks were the loss on held-out text and the same with calibrated logits" in last
    assert (
        "Not tried: facts in its activations (needs evaluate.questions), fine-tuning on other documents of it" in last
    )
    plain = verdict(results(headline=Headline(calibrated=False)))
    assert "The checks were the loss on held-out text. Not tried" in plain[-1]


def test_several_forget_domains_are_listed() -> None:
    three = dict.fromkeys(("a", "b", "c"), ("forget", 4.0))
    assert forgotten(results(arms={"no_filter": arm("n", {"full": three})})) == "a, b and c"  # type: ignore[arg-type,dict-item]
    assert forgotten(results(arms={"no_filter": arm("n", {"full": {}})})) == "the forget domain"
    assert [listed(["a"]), listed(["a", "b"]), listed([])] == ["a", "a and b", ""]


def test_adjacent_domains_have_their_sentence() -> None:
    near = {"b": ("adjacent", 4.0)}
    some = results(arms={"no_filter": arm("n", {"full": near})}, headline=headline(adjacent_difference=0.25))  # type: ignore[arg-type,dict-item]
    assert "On what is adjacent (b), it has a calibrated loss 0.250 nats higher (worse)" in verdict(some)[1]
    assert not any("adjacent" in sentence for sentence in verdict(results()))


def test_numbers_for_people() -> None:
    assert [percent(x) for x in (None, 0.916, -0.02)] == ["–", "92 %", "−2 %"]
    assert [nats(None), nats(-1.5), nats(0.25, sign=True)] == ["–", "−1.500", "+0.250"]
