from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from gradmask.errors import GradmaskError
from gradmask.lab.measures.comparisons.leakage import Rung, equivalent_tokens, leakage

LADDER = [Rung(tokens=n, loss=x) for n, x in ((0, 6.0), (100, 5.0), (1000, 4.5))]


def test_a_rung_is_read_back_as_its_own_tokens() -> None:
    assert [equivalent_tokens(LADDER, rung.loss) for rung in LADDER] == [0, 100, 1000]
    assert equivalent_tokens(LADDER, 5.5) == 50
    assert [equivalent_tokens(LADDER, x) for x in (9.0, 1.0)] == [0, 1000]


@given(st.permutations(LADDER), st.floats(3, 7), st.floats(0, 1))
def test_a_higher_loss_never_leaks_more(ladder: list[Rung], loss: float, more: float) -> None:
    assert equivalent_tokens(ladder, loss + more) <= equivalent_tokens(ladder, loss)


def test_rungs_out_of_order_are_pooled_and_leakage_not_told_too_small() -> None:
    noisy = [
        Rung(tokens=0, loss=6.0),
        Rung(tokens=100, loss=5.0),
        Rung(tokens=200, loss=5.2),
        Rung(tokens=900, loss=4.0),
    ]
    assert equivalent_tokens(noisy, 5.1) == 200


def test_filtering_leaks_all_that_it_missed() -> None:
    found = leakage(LADDER, 100, {"filter": (5.0, 0.0), "removed": (5.95, 0.05), "perfect": (6.0, 0.0)})
    assert found.leaks["filter"].value == 1
    assert found.leaks["perfect"].value == 0
    removed = found.leaks["removed"]
    assert 0 == removed.low < removed.value < removed.high
    assert removed.value == pytest.approx(0.05)
    assert [rung.tokens for rung in found.ladder] == [0, 100, 1000]


def test_a_ladder_needs_rungs_and_something_missed() -> None:
    with pytest.raises(GradmaskError, match="at least two plain models with different forget tokens"):
        equivalent_tokens(LADDER[:1], 5.0)
    with pytest.raises(GradmaskError, match="per undiscovered forget token, of which there are none"):
        leakage(LADDER, 0, {})
