"""Points of a training curve fit a line, whatever domains are called and however many they are."""

from __future__ import annotations

import pytest

from gradmask.lab.run.brief import WIDTH, curve_lines

HEAD = "no_filter_equal_compute step 1234/12345"


def test_all_models_in_one_line_where_they_fit() -> None:
    losses = {"full": {"en": 1.0, "es": 2.0}, "removed": {"en": 1.5, "es": 9.0}}
    assert curve_lines("gradmask step 2/6", losses, {"en": "retain", "es": "forget"}) == [
        "gradmask step 2/6   full: en 1.000  es 2.000   |   removed: en 1.500  es 9.000"
    ]


def test_else_a_line_for_each_and_roles_for_long_names() -> None:
    roles = {"biology": "forget", "chemistry": "adjacent", "everything else": "retain"}
    lines = curve_lines("gradmask step 20/360", dict.fromkeys(("full", "removed"), dict.fromkeys(roles, 3.25)), roles)
    assert lines[0] == "gradmask step 20/360   full: biology 3.250  chemistry 3.250  everything else 3.250"
    named = {f"{name} in the documentation of several packages": role for name, role in roles.items()}
    lines = curve_lines("gradmask step 20/360", {"full": dict.fromkeys(named, 3.25)}, named)
    assert lines == ["gradmask step 20/360   full: adjacent 3.250  forget 3.250  retain 3.250"]


@pytest.mark.parametrize("domains", [1, 2, 6, 7, 40])
@pytest.mark.parametrize("length", [1, 12, 60, 300])
@pytest.mark.parametrize("head", [HEAD, "x" * 120])
def test_they_always_fit(domains: int, length: int, head: str) -> None:
    roles = {f"{i}" + "d" * length: ("forget", "adjacent", "retain")[i % 3] for i in range(domains)}
    lines = curve_lines(head, dict.fromkeys(("full", "removed"), dict.fromkeys(roles, 12.3456)), roles)
    assert 1 <= len(lines) <= 2
    assert max(map(len, lines)) <= WIDTH
