from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from golden import golden
from gradmask.lab.measures.catalog.membership import auc_error, membership, min_k_scores, standardised, token_scores
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


def test_min_k_rounds_down() -> None:
    losses = torch.tensor([[1.0, 4.0, 2.0, 3.0, 0.0]])
    assert min_k_scores(losses, 0.39).tolist() == [-4.0]
    assert min_k_scores(losses, 0.4).tolist() == [-3.5]


def test_standardised_by_the_models_own_distribution() -> None:
    log_p = torch.tensor([[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]]).double().log()
    mean = 0.5 * np.log(0.5) + 0.5 * np.log(0.25)
    deviation = (0.5 * (np.log(0.5) - mean) ** 2 + 0.5 * (np.log(0.25) - mean) ** 2) ** 0.5
    found = standardised(log_p[:, 0], log_p)
    assert found[0].item() == pytest.approx((np.log(0.5) - mean) / deviation)
    assert found[1].item() == pytest.approx(0.0, abs=1e-4)
    plain, standard = token_scores(tiny(), tokens(4, 8))
    assert plain.shape == standard.shape == (4, 7)


def test_published_scores() -> None:
    values = golden("metrics/min_k.json")
    logits, ids = torch.tensor(values["logits"]), torch.tensor(values["ids"])
    log_p = logits[:, :12].log_softmax(-1).flatten(0, 1)
    own = log_p.gather(1, ids[:, 1:].reshape(-1, 1))[:, 0]
    losses, standard = -own.view(16, 12), -standardised(own, log_p).view(16, 12)
    members = [int(i in values["members"]) for i in range(16)]
    for name, published in values["all_tokens"].items():
        kind, k = name.split(" k=")
        scores = min_k_scores(losses if kind == "min_k" else standard, float(k))
        assert (-scores).tolist() == pytest.approx(published["scores"], abs=1e-5), name
        assert roc_auc_score(members, scores) == pytest.approx(published["auc"], abs=1e-9)
