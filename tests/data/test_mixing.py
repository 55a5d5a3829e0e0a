from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

import gradmask as gm
from gradmask.data.mixing import training_order, with_group_share

LABELS = st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=40)


@given(LABELS, st.integers(1, 12), st.integers(1, 8), st.sampled_from(["mixed", "homogeneous"]), st.integers(0, 5))
def test_a_longer_run_begins_with_the_same_batches(labels: list[int], steps: int, size: int, mix, seed: int) -> None:
    order = training_order(labels, steps, size, seed, mix)
    assert order.shape == (steps * size,)
    assert np.array_equal(training_order(labels, steps + 3, size, seed, mix)[: steps * size], order)


@given(LABELS, st.integers(1, 12), st.integers(1, 8))
def test_every_example_comes_once_an_epoch_and_batches_are_sorted_by_label(
    labels: list[int], steps: int, size: int
) -> None:
    order = training_order(labels, steps, size, seed=1)
    counts = np.bincount(order, minlength=len(labels))
    epochs, rest = divmod(steps * size, len(labels))
    # a batch that holds the border of two epochs mixes them, so only whole counts can be checked
    assert counts.min() >= epochs
    assert counts.max() <= epochs + (rest > 0)
    for batch in np.asarray(labels)[order.reshape(steps, size)]:
        assert batch.tolist() == sorted(batch.tolist(), key=lambda label: 0.5 if label < 0 else label)
        for learns in (batch < 1, (batch < 0) | (batch == 1)):  # retain's and the first group's are neighbours
            assert not np.diff(np.flatnonzero(learns)).max(initial=1) > 1


def test_the_seed_and_the_epoch_change_the_shuffle() -> None:
    labels = [0] * 10 + [1] * 6
    order = training_order(labels, 8, 4, seed=2)
    assert sorted(order[:16].tolist()) == sorted(order[16:].tolist()) == list(range(16))
    assert not np.array_equal(order[:16], order[16:])
    assert not np.array_equal(order, training_order(labels, 8, 4, seed=3))


def test_runs_that_differ_in_labels_only_see_the_same_batches() -> None:
    labels = [0, 1, -1, 0, 1] * 6
    labeled = training_order(labels, 12, 5, seed=4).reshape(12, 5)
    unlabeled = training_order([-1] * 30, 12, 5, seed=4).reshape(12, 5)
    assert np.array_equal(np.sort(labeled), np.sort(unlabeled))
    assert not np.array_equal(labeled, unlabeled)


def test_homogeneous_batches_have_one_label_each_at_its_share() -> None:
    labels = np.array([0] * 30 + [1] * 10)
    batches = training_order(labels, 400, 4, mix="homogeneous").reshape(400, 4)
    assert all(len(set(labels[batch])) == 1 for batch in batches)
    assert 70 < sum(labels[batch[0]] == 1 for batch in batches) < 130
    counts = np.bincount(batches.reshape(-1), minlength=40)
    for label in (0, 1):
        assert np.ptp(counts[labels == label]) <= 1


def test_labels_per_token_leave_the_order_as_it_was_shuffled() -> None:
    labels = np.tile([[0, 1, -1]], (10, 1))
    order = training_order(labels, 5, 4, seed=1)
    assert sorted(order[:10]) == list(range(10))
    assert any(list(batch) != sorted(batch) for batch in order.reshape(5, 4))
    with pytest.raises(gm.GradmaskError, match="need one label per example, got labels per token: use mix: mixed"):
        training_order(labels, 5, 4, mix="homogeneous")


def test_nothing_cannot_be_put_in_order() -> None:
    with pytest.raises(gm.GradmaskError, match="no training examples"):
        training_order([], 5, 4)


@given(LABELS, st.integers(1, 12), st.integers(1, 8), st.integers(0, 12), st.integers(0, 5))
def test_retain_examples_take_the_first_places_of_unlabeled_ones(
    given_labels: list[int], steps: int, size: int, first: int, seed: int
) -> None:
    labels = np.asarray(given_labels)
    # one place after the other, without the order that a batch has within itself
    plain, order = (training_order(labels[:, None], steps, size, seed, labeled_first=batches) for batches in (0, first))
    assert sorted(order) == sorted(plain), "the same examples, as often"
    count, horizon = first * size, min(len(labels), steps * size)
    moved = np.flatnonzero(order != plain)
    assert (labels[plain[moved[moved < count]]] < 0).all(), "groups' and retain examples keep their places"
    if count <= horizon:
        early, late = labels[plain[:count]], labels[plain[count:horizon]]
        assert (labels[order[:count]] < 0).sum() == max(0, (early < 0).sum() - (late == 0).sum())
        assert (labels[order[:count]] > 0).sum() == (early > 0).sum()
    sorted_by_label = training_order(labels, steps, size, seed, labeled_first=first).reshape(steps, size)
    assert [sorted(batch) for batch in sorted_by_label] == [sorted(batch) for batch in order.reshape(steps, size)]


def test_groups_come_as_often_at_first_as_later_where_little_retain_text_is_labeled() -> None:
    labels = np.repeat([-1, 0, 1], [860, 100, 40])
    order = training_order(labels, 100, 10, seed=1, labeled_first=10)
    assert (labels[order[:100]] == 0).sum() > 90
    assert (labels[order[:100]] == 1).sum() <= 8, "a tenth of the run, a tenth of the group's text, but for chance"


def test_what_is_moved_is_spread_over_the_rest() -> None:
    labels = [-1, 0] * 200
    order = training_order(labels, 40, 10, seed=1, labeled_first=8).reshape(40, 10)
    unlabeled = (np.asarray(labels)[order] < 0).sum(1)
    assert not unlabeled[:8].any()
    assert unlabeled[8:].max() < 10
    assert unlabeled[8:24].sum() == pytest.approx(unlabeled[24:].sum(), rel=0.25)
    assert np.array_equal(
        training_order(labels, 40, 10, seed=1, labeled_first=0), training_order(labels, 40, 10, seed=1)
    )


def test_with_labels_per_token_an_example_is_labeled_retain_where_all_of_it_is() -> None:
    labels = np.array([[0, 0], [0, 1], [1, -1], [-1, -1], [0, -1]] * 8)
    order = training_order(labels, 10, 4, labeled_first=2)
    plain = training_order(labels, 10, 4)
    unlabeled = (labels[plain[:8]] < 0).any(1)
    assert unlabeled.any()
    assert (labels[order[:8][unlabeled]] == 0).all()
    assert np.array_equal(order[:8][~unlabeled], plain[:8][~unlabeled])
    assert sorted(order) == list(range(40))


@given(LABELS, st.floats(0, 0.6))
def test_groups_come_again_until_they_are_a_share_and_nothing_else_does(labels: list[int], share: float) -> None:
    given_labels = np.asarray(labels)
    counts = np.bincount(with_group_share(given_labels, share), minlength=len(labels))
    groups = given_labels > 0
    assert (counts[~groups] == 1).all()
    assert np.array_equal(counts, np.bincount(with_group_share(given_labels[:, None], share), minlength=len(labels)))
    if groups.any():
        assert counts[groups].max() - counts[groups].min() <= 1, "each as often as the others"
        wanted = round(share / (1 - share) * (~groups).sum())
        assert counts[groups].sum() == max(groups.sum(), wanted)


def test_an_example_with_a_token_of_a_group_is_the_groups() -> None:
    rows = with_group_share(np.array([[0, 0], [0, 1], [-1, -1], [0, -1]]), 0.5)
    assert np.bincount(rows).tolist() == [1, 3, 1, 1]
