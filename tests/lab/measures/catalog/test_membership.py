from __future__ import annotations

import numpy as np
import pytest
import torch

from gradmask.lab.measures.catalog.membership import auc_error, membership, min_k_scores
from lab.measures.domains import counting, knower
from tiny import tiny, tokens


def test_what_a_model_learned_is_told_from_what_it_did_not() -> None:
    inside, outside = counting("es"), tokens(16, 16, seed=4)
    found = membership(knower("es"), inside, outside)
    assert found.loss_auc > 0.95
    assert found.min_k_auc > 0.95
    turned = membership(knower("es"), outside, inside)
    assert turned.loss_auc == pytest.approx(1 - found.loss_auc)


def test_the_same_text_is_at_chance() -> None:
    ids = tokens(8, 16)
    found = membership(tiny(), ids, ids)
    assert (found.loss_auc, found.min_k_auc) == (0.5, 0.5)
    assert (found.members, found.others) == (8, 8)


def test_min_k_is_the_mean_of_the_least_likely_tokens() -> None:
    losses = torch.tensor([[1.0, 4.0, 2.0, 3.0], [0.0, 0.0, 0.0, 8.0]])
    assert np.allclose(min_k_scores(losses, 0.5), [-3.5, -4.0])
    assert np.allclose(min_k_scores(losses, 0.01), [-4.0, -8.0])


def test_the_error_is_that_of_hanley_and_mcneil() -> None:
    assert auc_error(1.0, 10, 10) == 0
    assert auc_error(0.5, 50, 50) == pytest.approx((101 / (12 * 50 * 50)) ** 0.5, rel=1e-9)
    assert auc_error(0.5, 400, 400) < auc_error(0.5, 40, 40)
