from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from gradmask.lab.measures.catalog.truth_ratio import Answers, TruthRatioMeasure, halves, truth_ratio
from gradmask.lab.measures.losses import token_losses
from lab.measures.domains import counting, known
from tiny import tiny


def test_the_formula() -> None:
    true = np.array([1.0, 2.0])
    false = np.array([[2.0, 4.0], [1.0, 1.0]])  # geometric means of p: exp(-3), exp(-1)
    found = truth_ratio(Answers(true, false))
    assert found.ratios == pytest.approx([math.exp(-2), math.exp(1)])
    assert found.score == pytest.approx((math.exp(-2) + math.exp(-1)) / 2)
    knowledge = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(1))]
    assert found.knowledge == pytest.approx(sum(knowledge) / 2)


def test_answers_are_second_halves_after_first_halves() -> None:
    model, ids = tiny().eval(), counting("es", 3, 8)
    found = halves(model, ids)
    assert found.false.shape == (3, 2)  # as many as there are others
    for i in range(3):
        assert found.true[i] == pytest.approx(float(token_losses(model, ids[i : i + 1])[0, 3:].mean()), rel=1e-5)
        other = torch.cat([ids[i, :4], ids[i - 1, 4:]])[None]
        assert found.false[i, 0] == pytest.approx(float(token_losses(model, other)[0, 3:].mean()), rel=1e-5)


def test_a_model_that_knows_tells_true_from_false() -> None:
    ids = counting("es", 12)
    knowing, ignorant = (truth_ratio(halves(known(domain), ids)) for domain in ("es", "en"))
    assert knowing.score < 0.5 < ignorant.score
    assert knowing.knowledge > 0.7
    measure = TruthRatioMeasure()
    quality = measure.against(knowing, ignorant).quality
    assert quality == pytest.approx(ks_2samp(knowing.ratios, ignorant.ratios).pvalue)
    assert measure.against(ignorant, ignorant).quality == 1.0
