from __future__ import annotations

from typing import Any

import pytest

from gradmask.lab.judge.attacks import attacked, recovered, tried, untried
from gradmask.lab.measures.attacks.context import InContext
from gradmask.lab.measures.attacks.quantization import Quantization
from gradmask.lab.measures.attacks.relearning import Attempt, RecoveryPoint, Relearning
from gradmask.lab.measures.findings import ModelFindings
from gradmask.lab.measures.results import Results
from gradmask.lab.report.relearning import relearning_words
from gradmask.lab.report.words import flags, verdict
from lab.measures.fabricated import measured, model_findings, relearning, results


def found(removed: dict[str, Any] | None = None, never_trained: dict[str, Any] | None = None) -> Results:
    """The invented run, with other findings of the removed model and of the perfect filter."""
    some = measured()
    for arm, view, changes in (("gradmask", "removed", removed), ("perfect_filter", "full", never_trained)):
        some.arms[arm].findings[view] = model_findings(6.4).model_copy(update=changes or {})
    return some


def test_nothing_recovered_is_said_of_these_attacks_at_this_budget() -> None:
    some = found()
    assert attacked(some)
    assert recovered(some) == []
    said = verdict(some)
    assert "recovered by" not in said[0]
    last = said[-1]
    for words in (
        "fine-tuning on the domain again (2 attacks, full and LoRA, of 16 steps of 8 sequences, 2,048 tokens each)",
        "64 tokens of its text in the prompt",
        "rounding the weights (int8 and int4)",
        "linear probes of every layer",
        "membership inference and extraction of training documents",
        "Not tried: facts in its activations (needs evaluate.questions), questions about it (needs evaluate.questions), "
        "steering its routers (needs a mixture of experts), larger budgets, other training seeds.",
    ):
        assert words in last
    assert not any("removed for good" in sentence or "erased" in sentence for sentence in said)


@pytest.mark.parametrize(
    ("removed", "never_trained", "way"),
    [
        ({"relearning": relearning(6.4, 5.0)}, {"relearning": relearning(6.4, 12.0)}, "fine-tuning"),
        ({"relearning": relearning(6.4, 12.0)}, {"relearning": relearning(6.4, None)}, "fine-tuning"),
        ({"relearning": relearning(5.0, None)}, {"relearning": relearning(6.4, None)}, "fine-tuning"),
        ({"quantization": Quantization(before={"forget": 6.5}, after={"int4": {"forget": 6.0}})}, {}, "quantization"),
        (
            {"context": InContext(tokens=8, after_retain=6.5, after_forget=6.0, gain=0.5, error=0.01)},
            {},
            "its text in the prompt",
        ),
    ],
)
def test_what_came_back_is_named(removed: dict[str, Any], never_trained: dict[str, Any], way: str) -> None:
    some = found(removed, never_trained)
    assert recovered(some) == [way]
    assert verdict(some)[0].startswith(f"It failed: the knowledge was hidden, not removed: it was recovered by {way}")


def falling(*losses: float) -> Relearning:
    """One attack with these losses after 0, 1, 2, … steps; the target is 4.4."""
    curve = [RecoveryPoint(step=s, tokens=s, losses={"forget": x}) for s, x in enumerate(losses)]
    attempt = Attempt(method="full", data="forget", learning_rate=1e-3, curve=curve, steps_to_target=20.0)
    return Relearning(target=4.4, steps=20, batch_size=8, tokens_per_step=128, attacks=[attempt])


def test_what_is_mostly_back_sooner_is_recovered_though_the_last_bit_takes_as_long() -> None:
    slow, fast = falling(8.4, 7.4, 6.4, 5.4, 4.4), falling(8.4, 4.7, 4.6, 4.5, 4.4)
    assert recovered(found({"relearning": fast}, {"relearning": slow})) == ["fine-tuning"]
    assert recovered(found({"relearning": slow}, {"relearning": slow})) == []
    assert recovered(found({"relearning": slow}, {"relearning": fast})) == []
    said = verdict(found({"relearning": falling(8.4, 8.0)}, {"relearning": slow}))
    assert "It was not 90 % of the way back within the budget; the perfect filter was after 4 steps." in said
    said = verdict(found({"relearning": fast}, {"relearning": slow}))
    assert "It was 90 % of the way back after 1 step, and the perfect filter after 4." in said


def test_what_a_perfect_filter_gives_as_well_is_not_recovered() -> None:
    gain = InContext(tokens=8, after_retain=6.5, after_forget=6.0, gain=0.5, error=0.01)
    assert recovered(found({"context": gain}, {"context": gain})) == []
    assert recovered(found({"relearning": relearning(6.4, 11.0)}, {"relearning": relearning(6.4, 12.0)})) == []
    assert recovered(found({"relearning": relearning(6.3, None)}, {"relearning": relearning(6.4, None)})) == []


def test_attacks_that_were_not_run_are_said() -> None:
    bare = results()
    assert not attacked(bare)
    assert recovered(bare) == []
    assert tried(bare) == []
    assert untried(bare)[3:6] == ["fine-tuning on the domain again", "its text in the prompt", "pruning"]
    assert relearning_words(bare) is None
    part = found({"relearning": None})
    assert "recovered by" not in verdict(part)[0]
    assert (
        "Not tried: facts in its activations (needs evaluate.questions), fine-tuning on the domain again"
        in verdict(part)[-1]
    )


def test_signs_of_over_unlearning_are_shown() -> None:
    some = measured()
    some.findings.flags = ["rmu: its text on retain domains is empty (80 %)"]
    assert flags(some) == ["A sign of over-unlearning. Rmu: its text on retain domains is empty (80 %)."]
    assert flags(measured()) == []
    assert ModelFindings() == ModelFindings.model_validate({})
