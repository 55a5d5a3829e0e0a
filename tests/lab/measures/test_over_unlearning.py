from __future__ import annotations

from gradmask.lab.measures.catalog.generations import Generations
from gradmask.lab.measures.catalog.membership import Membership
from gradmask.lab.measures.findings import ModelFindings
from gradmask.lab.measures.over_unlearning import over_unlearning
from lab.measures.fabricated import model_findings


def members(auc: float) -> Membership:
    return Membership(loss_auc=auc, min_k_auc=0.5, k=0.2, error=0.05, members=48, others=48)


def texts(repeated: float, empty: float) -> Generations:
    return Generations(repetition={"retain": repeated}, empty={"retain": empty}, texts=8)


def test_a_model_at_chance_that_writes_text_has_no_sign() -> None:
    assert over_unlearning(model_findings(6.0), model_findings(6.2)) == []
    assert over_unlearning(ModelFindings()) == []
    assert over_unlearning(ModelFindings(membership=members(0.4))) == []


def test_every_sign_is_seen() -> None:
    said = over_unlearning(ModelFindings(membership=members(0.2), generations=texts(0.9, 0.8)))
    assert len(said) == 3
    assert "membership by loss (AUC 0.20) is far below chance: training documents were pushed away" in said[0]
    assert "its text on retain domains repeats itself (90 %)" in said[1]
    assert "its text on retain domains is empty (80 %)" in said[2]


def test_the_twin_is_the_level() -> None:
    found = ModelFindings(membership=members(0.2), generations=texts(0.9, 0.0))
    twin = ModelFindings(membership=members(0.25), generations=texts(0.8, 0.0))
    assert over_unlearning(found, twin) == []
    higher = ModelFindings(membership=members(0.45), generations=texts(0.1, 0.0))
    assert "far below 0.45, that of the perfect filter" in over_unlearning(found, higher)[0]
