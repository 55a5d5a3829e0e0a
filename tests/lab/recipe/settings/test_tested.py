from __future__ import annotations

from dataclasses import replace

from gradmask.lab.recipe.settings.seen import GroupSeen, Seen, Sizes
from gradmask.lab.recipe.settings.tested import RANGES, warnings

USUAL = Seen({"forget": GroupSeen(0.15)}, labeled_share=0.9, steps=800, passes=1.5, sizes=Sizes(parameters=2_000_000))
AUTO = ("partition.rehearsal",)


def test_what_was_tested_gives_no_warning() -> None:
    assert warnings(USUAL, AUTO) == []


def test_what_was_not_tested_is_told_with_its_numbers() -> None:
    (sentence,) = warnings(replace(USUAL, groups={"forget": GroupSeen(0.8)}), AUTO)
    assert sentence == "80 % of the labeled tokens must go, and the rules were tested from 4 % to 52 %"


def test_every_range_has_two_ends() -> None:
    odd = Seen({"a": GroupSeen(0.5), "b": GroupSeen(0.4)}, 0.01, 50, 1, 100.0, 1, Sizes(parameters=10**9), True, "gram")
    assert len(warnings(odd, AUTO)) == len(RANGES) + 2
    for each in RANGES:
        assert each.least <= each.most


def test_nothing_is_said_where_nothing_was_chosen() -> None:
    assert warnings(replace(USUAL, steps=1), ()) == []
