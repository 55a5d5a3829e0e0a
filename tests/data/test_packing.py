from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings, strategies as st

import gradmask as gm
from gradmask.data.mixing import training_order
from gradmask.data.packing import pack, pack_tokenwise, tokenize
from gradmask.data.stories import generate
from gradmask.data.tokenizer import train_tokenizer

TOKENIZER = train_tokenizer(generate(50, "en") + generate(50, "es"), 400)


def documents(count: int = 60) -> Dataset:
    texts = [generate(1, ("en", "es")[i % 2], start=i)[0] for i in range(count)]
    labels = [(0, 1, -1)[i % 3] for i in range(count)]
    domain = [("en", "es")[i % 2] for i in range(count)]
    role = ["retain" if d == "en" else "forget" for d in domain]
    return Dataset.from_dict(
        {
            "text": texts,
            "domain": domain,
            "role": role,
            "group": [int(r == "forget") for r in role],
            "data_labels": labels,
        }
    )


def test_the_tokenizer_is_reproducible_and_lossless() -> None:
    text = '¿Dónde está la llave? —dijo Ana.\n"Here," said Leo. 42 €'
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text
    assert len(TOKENIZER) == 400
    again = train_tokenizer(generate(50, "en") + generate(50, "es"), 400)
    assert again(text)["input_ids"] == TOKENIZER(text)["input_ids"]


def test_a_sequence_holds_one_label_of_one_domain_and_no_token_is_lost_but_tails() -> None:
    data = documents()
    packed, counts = pack(data, TOKENIZER, 64)
    assert np.asarray(packed["input_ids"]).shape[1] == 64
    found: dict[tuple[str, int], list[int]] = {}
    for row in packed:
        found.setdefault((row["domain"], row["data_labels"]), []).extend(row["input_ids"])
    expected: dict[tuple[str, int], list[int]] = {}
    for row, ids in zip(data, tokenize(data["text"], TOKENIZER), strict=True):
        expected.setdefault((row["domain"], row["data_labels"]), []).extend(ids.tolist())
    for key, ids in expected.items():
        assert found[key] == ids[: len(ids) // 64 * 64]
        assert len(ids) - len(found[key]) < 64
    for row in counts:
        key = (row["domain"], row["data_labels"])
        assert row["tokens"] == len(expected[key])
        assert row["dropped"] == len(expected[key]) - len(found[key])
    assert sum(row["documents"] for row in counts) == len(data)


def test_tokenwise_labels_follow_their_tokens() -> None:
    data = documents(20)
    packed = pack_tokenwise(data, TOKENIZER, 32, seed=1)
    data = data.select(np.random.default_rng(1).permutation(20))
    ids = [x for row in packed["input_ids"] for x in row]
    labels = [x for row in packed["data_labels"] for x in row]
    expected = [
        (int(t), label)
        for x, label in zip(tokenize(data["text"], TOKENIZER), data["data_labels"], strict=True)
        for t in x
    ]
    assert list(zip(ids, labels, strict=True)) == expected[: len(ids)]
    assert len(expected) - len(ids) < 32
    assert any(len(set(row)) > 1 for row in packed["data_labels"])


def test_too_little_text_is_said() -> None:
    for packing in (pack, pack_tokenwise):
        with pytest.raises(gm.GradmaskError, match="too short for one sequence of 100000 tokens: give more text"):
            packing(documents(2), TOKENIZER, 100_000)


@settings(deadline=None)
@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=40), st.integers(1, 12), st.integers(1, 8))
def test_every_epoch_is_one_shuffle_and_batches_are_sorted_by_label(labels: list[int], steps: int, size: int) -> None:
    order = training_order(labels, steps, size, seed=1)
    assert order.shape == (steps * size,)
    longer = training_order(labels, steps + 3, size, seed=1)
    assert np.array_equal(np.sort(longer[: steps * size].reshape(steps, size)), np.sort(order.reshape(steps, size)))
    counts = np.bincount(order, minlength=len(labels))
    assert counts.max() - counts.min() <= 1 + (steps * size) // len(labels)
    for batch in order.reshape(steps, size):
        assert [labels[i] for i in batch] == sorted(labels[i] for i in batch)


def test_the_first_epoch_is_a_permutation() -> None:
    order = training_order([0] * 10 + [1] * 6, 4, 4, seed=2)
    assert sorted(order.tolist()) == list(range(16))
    assert not np.array_equal(order, training_order([0] * 10 + [1] * 6, 4, 4, seed=3))


def test_labels_per_token_leave_the_order_as_it_was_shuffled() -> None:
    labels = np.tile([[0, 1, -1]], (10, 1))
    order = training_order(labels, 5, 4, seed=1)
    assert sorted(order[:10]) == list(range(10))
    assert any(list(batch) != sorted(batch) for batch in order.reshape(5, 4))
    with pytest.raises(gm.GradmaskError, match="need one label per example, got labels per token"):
        training_order(labels, 5, 4, mix="homogeneous")
    with pytest.raises(gm.GradmaskError, match="no training examples"):
        training_order([], 5, 4)


def test_arms_with_the_same_examples_see_the_same_batches() -> None:
    labels = [0, 1, -1, 0, 1] * 6
    told = training_order(labels, 12, 5, seed=4).reshape(12, 5)
    untold = training_order([-1] * 30, 12, 5, seed=4).reshape(12, 5)
    assert np.array_equal(np.sort(told), np.sort(untold))
    assert not np.array_equal(told, untold)


def test_homogeneous_batches_have_one_label_each() -> None:
    labels = [0] * 30 + [1] * 10
    batches = training_order(labels, 200, 4, seed=0, mix="homogeneous").reshape(200, 4)
    kinds = [{labels[i] for i in batch} for batch in batches]
    assert all(len(kind) == 1 for kind in kinds)
    assert 20 < sum(kind == {1} for kind in kinds) < 80
