from __future__ import annotations

import pytest
from sklearn.metrics import roc_auc_score

from gradmask.lab.measures.catalog.membership import min_k_scores
from gradmask.lab.measures.catalog.privleak import PrivLeak, PrivLeakMeasure, privacy_leakage, privleak
from gradmask.lab.measures.losses import token_losses
from lab.measures.domains import counting, known
from tiny import tokens


@pytest.mark.parametrize(
    ("area", "reference", "percent"), [(0.5, 0.5, 0.0), (1.0, 0.5, -100.0), (0.75, 0.5, -50.0), (0.0, 0.5, 100.0), (0.6, 0.2, -50.0)]
)  # fmt: skip
def test_the_formula(area: float, reference: float, percent: float) -> None:
    assert privacy_leakage(area, reference) == pytest.approx(percent, abs=1e-6)


def test_a_model_that_knows_is_at_minus_100_and_one_that_pushes_away_at_100() -> None:
    inside, outside = counting("es"), tokens(16, 16, seed=4)
    knowing, pushed = privleak(known("es"), inside, outside), privleak(known("es"), outside, inside)
    assert knowing.percent == pytest.approx(-100, abs=10)
    assert pushed.percent == pytest.approx(100, abs=10)
    assert knowing.against_chance
    scores = [s for ids in (inside, outside) for s in min_k_scores(token_losses(known("es"), ids), 0.4)]
    assert knowing.auc == pytest.approx(roc_auc_score([1] * 16 + [0] * 16, scores))


def test_the_perfect_filter_is_the_reference() -> None:
    measure = PrivLeakMeasure()
    mine, filtered = PrivLeak(percent=-20.0, auc=0.6), PrivLeak(percent=-10.0, auc=0.55)
    found = measure.against(mine, filtered)
    assert (found.reference, found.against_chance) == (0.55, False)
    assert found.percent == pytest.approx(100 * (0.40 - 0.45) / 0.45)
    assert measure.against(filtered, filtered).percent == pytest.approx(0)
