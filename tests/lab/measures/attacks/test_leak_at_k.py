from __future__ import annotations

from itertools import combinations

import pytest
import torch
from hypothesis import given, strategies as st

from gradmask.lab.measures.attacks.leak_at_k import LeakAtKAttack, Sampled, best_of, leak_at_k, recall
from lab.measures.domains import counting, knower, known


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7), st.integers(1, 7))
def test_the_expected_best_is_the_mean_over_all_draws(scores: list[float], k: int) -> None:
    k = min(k, len(scores))
    draws = [max(some) for some in combinations(scores, k)]
    assert best_of(k, scores) == pytest.approx(sum(draws) / len(draws))


def slow_recall(sample: list[int], truth: list[int]) -> float:
    if not sample or not truth:
        return 0.0
    if sample[-1] == truth[-1]:
        return slow_recall(sample[:-1], truth[:-1]) + 1
    return max(slow_recall(sample[:-1], truth), slow_recall(sample, truth[:-1]))


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_recall_is_that_of_the_longest_common_subsequence(sample: list[int], truth: list[int]) -> None:
    assert recall(sample, truth) == pytest.approx(slow_recall(sample, truth) / len(truth))


def test_what_a_model_knows_leaks_and_what_it_does_not_does_not() -> None:
    documents, attack = counting("es", 6, seed=5), LeakAtKAttack()
    models = knower("en", "es"), known("en")
    stream = torch.get_rng_state()
    knows, never = (leak_at_k(model, documents, samples=4) for model in models)
    assert torch.equal(torch.get_rng_state(), stream)
    assert knows.ks == [1, 4]
    assert knows.leak == sorted(knows.leak)
    assert knows.leak[0] > 0.9
    assert attack.recovered(knows, never, 1.0)
    assert not attack.recovered(never, never, 1.0)
    assert attack.share(never, None, 1.0) is None
    assert leak_at_k(known("en"), documents, samples=4) == never


def test_a_difference_within_chance_is_not_recovered() -> None:
    here = Sampled(ks=[1, 4], leak=[0.2, 0.5], error=0.1, documents=5, samples=4)
    there = here.model_copy(update={"leak": [0.1, 0.3]})
    assert LeakAtKAttack().share(here, there, 1.0) == pytest.approx(0.2 / 0.7)
    assert not LeakAtKAttack().recovered(here, there, 1.0)
    assert LeakAtKAttack().recovered(
        here.model_copy(update={"error": 0.01}), there.model_copy(update={"error": 0.01}), 1.0
    )
