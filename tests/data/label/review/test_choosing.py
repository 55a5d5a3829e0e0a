from __future__ import annotations

import numpy as np
import pytest

from gradmask.data.label.review.choosing import FEW, LIKELY, RANDOM, UNCERTAIN, choose, distance, plan, unlike


def test_the_closest_to_a_threshold_of_any_group_comes_first() -> None:
    scores = np.array([[0.5, 0.01], [0.81, 0.01], [0.99, 0.21]])
    assert np.argsort(distance(scores, np.array([0.8, 0.2]))).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("positives", "shares"),
    [([0], (1, 4, 5)), ([FEW - 1], (1, 4, 5)), ([FEW], (1, 0, 9)), ([FEW, 3], (1, 4, 5))],
)
def test_likely_positives_are_shown_while_positives_are_few(positives: list[int], shares: tuple[int, ...]) -> None:
    assert plan(10, positives, 0.1) == dict(zip((RANDOM, LIKELY, UNCERTAIN), shares, strict=True))


def test_no_random_share_is_obeyed() -> None:
    assert plan(10, [99], 0.0)[RANDOM] == 0


def test_every_row_is_chosen_once_and_the_random_one_is_first_in_the_random_order() -> None:
    scores = np.linspace(0.001, 0.999, 200)[:, None]
    order = np.arange(200)[::-1]
    chosen = choose(scores, np.array([0.5]), order, [0], [f"word{i}" for i in range(200)], 10, 0.1)
    rows = [row for row, _ in chosen]
    assert len(set(rows)) == 10
    assert [row for row, reason in chosen if reason == RANDOM] == [199]
    assert all(row >= 160 for row, reason in chosen if reason == LIKELY)
    assert all(70 <= row <= 130 for row, reason in chosen if reason == UNCERTAIN)


def test_fewer_documents_than_asked_for_are_all_chosen() -> None:
    chosen = choose(np.array([[0.2], [0.7]]), np.array([0.5]), np.array([1, 0]), [30], ["a b", "c d"], 10, 0.1)
    assert sorted(row for row, _ in chosen) == [0, 1]


def test_of_candidates_that_are_alike_one_is_chosen() -> None:
    texts = ["the same words", "the same words", "the same words here", "something else entirely"]
    assert unlike([0, 1, 2, 3], texts, 2) == [0, 3]
