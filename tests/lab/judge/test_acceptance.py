from __future__ import annotations

import pytest
from pydantic import ValidationError

from gradmask.lab.judge.acceptance import LEAST, MOST, AcceptSpec, missed
from gradmask.lab.judge.facts import Facts, Price

FACTS = Facts(
    "es",
    gap=4.0,
    gap_closed=0.93,
    removed={"retain": Price(0.05, 0.97)},
    full={"retain": Price(0.01, 0.99), "forget": Price(0.3, 0.88)},
    extra_compute=1.2,
)


def test_every_number_has_a_meaning() -> None:
    assert set(LEAST) | set(MOST) == set(AcceptSpec.model_fields)


def test_what_is_reached_is_not_missed() -> None:
    assert missed(AcceptSpec(gap_closed=0.9, retain_compute=0.97, extra_compute=1.2, retain_nats=0.05), FACTS) == []
    assert missed(AcceptSpec(), FACTS) == []


def test_what_is_missed_is_named_with_its_numbers() -> None:
    accept = AcceptSpec(gap_closed=0.95, full_forget_compute=0.9, extra_compute=1.15)
    assert missed(accept, FACTS) == [
        "gap_closed: needed at least 0.95, got 0.93",
        "full_forget_compute: needed at least 0.9, got 0.88",
        "extra_compute: needed at most 1.15, got 1.2",
    ]


def test_what_was_not_measured_is_missed() -> None:
    assert missed(AcceptSpec(adjacent_compute=0.9), FACTS) == [
        "adjacent_compute: needed 0.9, not measured (add compute to evaluate.measures)"
    ]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValidationError, match="gap"):
        AcceptSpec.model_validate({"gap": 0.9})
