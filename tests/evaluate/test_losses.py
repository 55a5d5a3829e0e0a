from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from datasets import Dataset
from tiny import tiny, tokens

import gradmask as gm
from gradmask.evaluate.losses import domain_loss, histogram, sequences_of, token_losses


def test_the_loss_is_the_models_own() -> None:
    model, ids = tiny().train(), tokens(5, 12)
    found = domain_loss(model, ids, batch_size=2)
    with torch.no_grad():
        expected = model.eval()(ids, labels=ids).loss.item()
    assert math.isclose(found.nats, expected, rel_tol=1e-5)
    assert found.tokens == 5 * 11
    assert math.isclose(found.perplexity, math.exp(found.nats))
    per_sequence = token_losses(model, ids).mean(1)
    assert math.isclose(found.error, float(per_sequence.std()) / math.sqrt(5), rel_tol=1e-5)


def test_the_mode_is_put_back_and_no_gradient_is_left() -> None:
    model = tiny().train()
    token_losses(model, tokens())
    assert model.training
    assert all(p.grad is None for p in model.parameters())


def test_sequences_of_a_set() -> None:
    data = Dataset.from_dict({"input_ids": tokens(10, 6).tolist()})
    assert torch.equal(sequences_of(data, 4, start=3), tokens(10, 6)[3:7])
    assert sequences_of(data).shape == (10, 6)
    with pytest.raises(gm.GradmaskError, match="the set has 10, and 10 are used elsewhere"):
        sequences_of(data, 4, start=10)


def test_the_histogram_holds_every_token() -> None:
    shares = histogram(torch.tensor([[0.5, 1.5], [1.6, 99.0]]), np.array([0.0, 1.0, 2.0, 3.0]))
    assert shares == [0.25, 0.5, 0.25]
