from __future__ import annotations

import pytest

from gradmask.lab.report.relearning import relearned, relearning_ratio, relearning_words
from lab.judge.test_attacks import found
from lab.measures.fabricated import relearning


@pytest.mark.parametrize(
    ("here", "there", "words"),
    [
        (
            12.0,
            24.0,
            "back to that of no filter in 12 steps; the perfect filter, attacked in the same ways, took 24 steps.",
        ),
        (12.0, None, "in 12 steps; the perfect filter, attacked in the same ways, came to 4.80 in 16 steps."),
        (
            None,
            None,
            "of no filter (4.40) in 16 steps; it came to 4.80; the perfect filter, attacked in the same ways, came to",
        ),
    ],
)
def test_the_strongest_attack_stands_beside_that_on_the_perfect_filter(
    here: float | None, there: float | None, words: str
) -> None:
    some = found({"relearning": relearning(6.4, here)}, {"relearning": relearning(6.4, there)})
    said = relearning_words(some)
    assert said is not None
    assert said.startswith("The strongest of 2 attacks (full fine-tuning, even data, rate 0.001)")
    assert words in said
    assert relearning_ratio(some) == ("50 %" if here and there else "–")


def test_without_a_never_trained_or_a_target_less_is_said() -> None:
    some = found()
    del some.arms["perfect_filter"]
    assert relearning_words(some) == (
        "The strongest of 2 attacks (full fine-tuning, even data, rate 0.001) brought the forget loss back to that of no "
        "filter in 12 steps."
    )
    aimless = relearning(6.4, None).model_copy(update={"target": None})
    assert "brought the forget loss down to 4.80." in str(relearning_words(found({"relearning": aimless})))
    assert set(relearned(some)) == {"gradmask/removed", "gradmask/full", "no_filter", "filter"}
