"""GRAM's order of batches: the counts are exact, and every example of an oversampled group is seen that many times."""

from __future__ import annotations

import numpy as np
import pytest

from gradmask.data import modular_order
from gradmask.errors import GradmaskError

LABELS = np.repeat([-1, 0, 1, 2], [160, 600, 160, 80])
SETTINGS = {"auxiliary_spread": 0.5, "core_robustness": 0.2}


def test_counts_are_those_of_the_published_rule() -> None:
    made = modular_order(LABELS, 250, 4, seed=3, **SETTINGS)
    assert np.array_equal(np.unique(made.labels, return_counts=True)[1], [40, 150, 40, 20])
    assert (LABELS[made.examples].reshape(250, 4) == made.labels[:, None]).all()
    on = {label: made.together[made.labels == label] for label in (-1, 0, 1, 2)}
    assert not on[-1].any()
    assert [(on[0] == group).sum() for group in (1, 2)] == [20, 10]
    assert [(on[label] == label).sum() for label in (1, 2)] == [20, 10]
    assert [np.isin(on[label], [0, label]).all() for label in (1, 2)] == [True, True]
    assert (np.bincount(made.examples) == 1).all()
    assert not np.array_equal(made.labels, np.sort(made.labels))


def test_oversampling_repeats_a_group_in_place_of_retain_and_spreads_as_before() -> None:
    plain = modular_order(LABELS, 250, 4, seed=3, **SETTINGS)
    made = modular_order(LABELS, 250, 4, seed=3, oversampling={2: 3.0}, **SETTINGS)
    assert np.array_equal(np.unique(made.labels, return_counts=True)[1], [40, 110, 40, 60])
    assert (made.together[made.labels == 2] == 2).sum() == (plain.together[plain.labels == 2] == 2).sum() == 10
    # 22 of the 110 retain batches, 40 to 60
    assert [(made.together[made.labels == 0] == group).sum() for group in (1, 2)] == [9, 13]
    assert (np.bincount(made.examples)[LABELS == 2] == 3).all()


def test_the_same_seed_is_the_same_order_and_another_is_not() -> None:
    one, same, other = (modular_order(LABELS, 50, 4, seed, **SETTINGS) for seed in (1, 1, 2))
    assert np.array_equal(one.examples, same.examples)
    assert np.array_equal(one.together, same.together)
    assert not np.array_equal(one.examples, other.examples)


def test_what_cannot_be_ordered_is_refused() -> None:
    with pytest.raises(GradmaskError, match="asks for 1[0-9]+ more batches than the 150 retain batches"):
        modular_order(LABELS, 250, 4, oversampling={1: 9.0}, **SETTINGS)
    with pytest.raises(GradmaskError, match=r"one label per example, got labels of shape \[4, 3\]"):
        modular_order(np.zeros((4, 3)), 10, 4, **SETTINGS)
