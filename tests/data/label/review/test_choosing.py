from __future__ import annotations

import numpy as np
import pytest

from gradmask.data.label.review.answers import RANDOM
from gradmask.data.label.review.choosing import FEW, LIKELY, UNCERTAIN, between, choose, distance, plan, unlike

CUTS = np.array([[0.1], [0.9]])


def test_the_closest_to_a_threshold_of_any_group_comes_first() -> None:
    scores = np.array([[0.5, 0.01], [0.81, 0.01], [0.99, 0.21]])
    assert np.argsort(distance(scores, np.array([0.8, 0.2]))).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("positives", "shares"),
    [([0], (2, 3, 5)), ([FEW - 1], (2, 3, 5)), ([FEW], (2, 1, 7)), ([FEW, 3], (2, 3, 5))],
)
def test_likely_positives_are_shown_while_positives_are_few(positives: list[int], shares: tuple[int, ...]) -> None:
    assert plan(10, positives, 0.2) == dict(zip((RANDOM, LIKELY, UNCERTAIN), shares, strict=True))


def test_no_random_share_is_obeyed() -> None:
    assert plan(10, [99], 0.0)[RANDOM] == 0


def test_every_row_is_chosen_once_and_the_random_one_is_first_in_the_random_order() -> None:
    scores = np.linspace(0.001, 0.999, 200)[:, None]
    order = np.arange(200)[::-1]
    chosen = choose(scores, CUTS, order, [0], [f"word{i}" for i in range(200)], 10, 0.1)
    rows = [row for row, _ in chosen]
    assert len(set(rows)) == 10
    assert [row for row, reason in chosen if reason == RANDOM] == [199]
    assert all(row >= 160 for row, reason in chosen if reason == LIKELY)
    assert all(10 <= row <= 190 for row, reason in chosen if reason == UNCERTAIN)


def test_what_is_undecided_is_shown_from_one_threshold_to_the_other() -> None:
    scores = np.array([[0.1], [0.2], [0.5], [0.8], [0.9]])
    assert [ranking[0] for ranking in between(scores, CUTS, 3)] == [1, 2, 3]
    both = np.array([[0.5, 0.01], [0.01, 0.5]])
    assert [ranking[0] for ranking in between(both, np.repeat(CUTS, 2, axis=1), 2)] == [0, 1]


def test_fewer_documents_than_asked_for_are_all_chosen() -> None:
    chosen = choose(np.array([[0.2], [0.7]]), CUTS, np.array([1, 0]), [30], ["a b", "c d"], 10, 0.1)
    assert sorted(row for row, _ in chosen) == [0, 1]


def test_of_candidates_the_one_least_like_those_before_it_is_chosen() -> None:
    texts = ["the same words", "the same words", "the same words here", "something else entirely"]
    every = np.arange(4)
    assert unlike([every, every], texts, set()) == [0, 3]
    assert unlike([every], texts, {0, 1, 2}) == [3]
    assert unlike([every], texts, {0, 1, 2, 3}) == []
