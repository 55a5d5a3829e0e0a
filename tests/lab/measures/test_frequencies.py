from __future__ import annotations

import math

import numpy as np
import pytest
from datasets import Dataset

from gradmask.lab.measures.frequencies import frequency_losses


def packed(rows: list[list[int]], **columns: list) -> Dataset:
    return Dataset.from_dict({"input_ids": rows, **columns})


def test_the_better_of_own_and_all_frequencies() -> None:
    train = packed([[0, 0, 0, 1], [2, 2, 2, 2]], domain=["a", "b"])
    test = {"a": packed([[3, 0, 1]]), "b": packed([[3, 2, 2]])}
    losses = frequency_losses(train, test, 9)
    own_a = -(math.log(4 / 7) + math.log(2 / 7)) / 2
    assert losses["a"] == pytest.approx(own_a), "four tokens, and one more of each of three"
    assert losses["b"] == pytest.approx(-math.log(5 / 7))


def test_a_domain_without_training_text_takes_all_of_it() -> None:
    losses = frequency_losses(packed([[0, 0, 1, 1]], domain=["a"]), {"new": packed([[0, 0, 1]])}, 1)
    assert losses == {"new": pytest.approx(math.log(2))}


def test_what_the_loss_does_not_count_is_left_out() -> None:
    train = packed([[0, 0, 0, 1]], domain=["a"])
    test = packed([[1, 1, 0, 0]], loss_mask=[[False, False, True, True]])
    assert frequency_losses(train, {"a": test}, 5)["a"] == pytest.approx(-math.log(4 / 6))
    nothing = packed([[1, 1]], loss_mask=[[False, False]])
    assert frequency_losses(train, {"a": nothing}, 5) == {}


def test_uniform_text_is_worth_the_logarithm_of_its_vocabulary() -> None:
    rows = np.random.default_rng(0).integers(0, 64, (200, 32)).tolist()
    loss = frequency_losses(packed(rows, domain=["a"] * 200), {"a": packed(rows)}, 200)["a"]
    assert loss == pytest.approx(math.log(64), abs=0.01)
