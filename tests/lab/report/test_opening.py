"""The first screen answers two questions: what did it remove, and what did it cost?"""

from __future__ import annotations

import pytest

from gradmask.lab.measures.results import Headline, Verdict
from gradmask.lab.report import summary
from gradmask.lab.report.charts.dots import Dots
from gradmask.lab.report.figures import summary as picture
from gradmask.lab.report.opening import CLAIMS, SAID, cards, opening
from gradmask.lab.report.summary import judged, signed, standings, worse
from lab.judge.test_attacks import found
from lab.measures.fabricated import arm, arms, measured, results


@pytest.mark.parametrize("outcome", CLAIMS)
def test_the_claim_is_the_judges_and_what_to_try_stands_apart(outcome: str) -> None:
    verdict = Verdict(outcome=outcome, sentence="So it is. To try: train longer.")  # type: ignore[arg-type]
    said = opening(results(verdict=verdict))
    assert said.claim == CLAIMS[outcome].format("es")
    assert (said.sentence, said.hint, said.outcome) == ("So it is.", "Train longer.", outcome)
    assert not any(line in said.more for line in (said.sentence, verdict.sentence))


@pytest.mark.parametrize("start", SAID)
def test_the_sentence_does_not_say_the_claim_again(start: str) -> None:
    verdict = Verdict(outcome="failed", sentence=f"{start}most of it is still there.")
    assert opening(results(verdict=verdict)).sentence == "Most of it is still there."


def test_the_cards_answer_what_was_removed_and_what_it_cost() -> None:
    by_question = {card.question: (card.value, card.words) for card in opening(measured()).cards}
    assert by_question == {
        "Removed": ("92 %", "of the knowledge of es; 100 %: as if it never saw it"),
        "Price on what is kept": (
            "6.2 % worse",
            "perplexity on what is kept, after removal (+0.060 nats; worth 25 % of the compute)",
        ),
        "Price, full model": (
            "28 % worse",
            "perplexity on what is kept, before removal; it knows 91 % of what can be removed",
        ),
        "Price, compute": ("no price", "training tokens, against training without any filter"),
    }


def test_cards_leave_out_what_is_not_known() -> None:
    assert opening(results(arms={"no_filter": arms()["no_filter"]})).cards == []


def test_removal_that_went_too_far_is_no_merit() -> None:
    far = arms()
    far["gradmask"] = arm(
        "gradmask",
        {
            "full": {"en": ("retain", 4.2), "es": ("forget", 4.3)},
            "removed": {"en": ("retain", 4.2), "es": ("forget", 9.0)},
        },
    )
    said = opening(results(arms=far))
    assert said.cards[0].value == "93 % too far"
    assert "damage" in said.cards[0].words
    drawing = picture.draw(results(arms=far))
    assert isinstance(drawing, Dots)
    bar = next(dot for dot in drawing.dots if dot.series == "gradmask/removed")
    assert (bar.text, bar.drawn) == ("« −93 %", summary.LEFT[0])


def test_the_picture_shows_what_is_left_and_what_it_cost_the_products_models_first() -> None:
    some = {s.series: s for s in standings(results())}
    assert list(some)[:2] == ["gradmask/removed", "gradmask/full"]
    assert some["no_filter"].left == (1.0, None, None)
    assert some["perfect_filter"].left == (0.0, None, None)
    assert some["gradmask/removed"].left[0] == pytest.approx(1 - (6.51 - 4.25) / (6.71 - 4.25))  # type: ignore[index]
    assert some["filter"].nats[0] == pytest.approx(4.27 - 4.16)  # type: ignore[index]
    words = picture.draw(results()).words()  # type: ignore[union-attr]
    assert "Knowledge of es that is left: gradmask, removed 8 %, gradmask, full model 91 %" in words
    assert "Price on what is kept (perplexity): gradmask, removed +6.2 %, gradmask, full model +28 %" in words


def test_there_is_no_picture_without_a_scale() -> None:
    assert picture.draw(results(headline=Headline(calibrated=True))) is None
    assert picture.draw(results(arms={"no_filter": arms()["no_filter"]})) is None


def test_a_filter_stands_for_the_end_of_the_scale_where_the_truth_is_not_known() -> None:
    some = {name: a for name, a in arms().items() if name != "perfect_filter"}
    left = {s.series: s.left[0] for s in standings(results(arms=some)) if s.left}
    assert (left["no_filter"], left["filter"]) == (1.0, 0.0)


def test_many_models_are_cut_but_never_the_products_or_the_baselines() -> None:
    many = {f"m{i}": arm(f"m{i}", {"full": {"en": ("retain", 4.3), "es": ("forget", 5.0)}}) for i in range(9)}
    drawing = picture.draw(results(arms={**many, **arms()}))
    assert isinstance(drawing, Dots)
    assert len(drawing.looks()) == picture.MOST
    assert {"gradmask/removed", "gradmask/full", "no_filter", "perfect_filter", "filter"} <= set(drawing.looks())


@pytest.mark.parametrize(
    ("share", "text", "words"),
    [
        (0.0, "±0 %", "no price"),
        (0.0004, "±0 %", "no price"),
        (0.064, "+6.4 %", "6.4 % worse"),
        (-0.21, "−21 %", "21 % better"),
        (12.0, "+1,200 %", "1,200 % worse"),
        (1e9, "+1e+11 %", "1e+11 % worse"),
    ],
)
def test_prices_in_words(share: float, text: str, words: str) -> None:
    assert (signed(share), judged(share)) == (text, words)


def test_nats_as_perplexity() -> None:
    assert worse(0.0) == 0.0
    assert worse(0.06) == pytest.approx(0.0618, abs=1e-4)
    assert worse(1e9) < float("inf")


def test_facts_without_gradmask_give_no_cards() -> None:
    from gradmask.lab.judge.facts import Facts

    assert cards(Facts(forget="es")) == []
    assert opening(found()).name
