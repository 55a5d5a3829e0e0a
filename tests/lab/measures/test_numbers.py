from __future__ import annotations

from gradmask.lab.measures.numbers import as_written


def test_values_are_written_as_in_a_recipe() -> None:
    assert as_written({"rank": 16, "on": True, "none": None}) == "{rank: 16, on: true, none: null}"
    assert as_written(0.15) == "0.15"
