"""The first screen of a comparison says why, where it failed."""

from __future__ import annotations

import pytest
from tests.lab.compare.test_table import found as found, recipe as recipe

from gradmask.lab.compare.opening import opening
from gradmask.lab.compare.results import Comparison


def test_a_failure_has_its_reason_first_and_then_the_numbers(found: Comparison) -> None:
    said = opening(found)
    assert said.claim == "Removing es failed, with every one of 2 seeds."
    assert said.sentence.startswith(
        "The price on what is kept is too high: the removed model is 0.060 nats worse than no filter"
    )
    assert said.sentence.endswith("(Seed 0.)")
    assert said.more[0].startswith("Over 2 seeds, removal closes 92 %")


@pytest.mark.parametrize("verdicts", [{0: "works", 1: "works"}, {0: "works", 1: "failed"}])
def test_what_worked_or_differs_has_none(found: Comparison, verdicts: dict[int, str]) -> None:
    assert opening(found.model_copy(update={"verdicts": verdicts})).sentence.startswith("Over 2 seeds, ")


def test_files_of_earlier_versions_have_none(found: Comparison) -> None:
    assert opening(found.model_copy(update={"sentences": {}})).sentence.startswith("Over 2 seeds, ")
