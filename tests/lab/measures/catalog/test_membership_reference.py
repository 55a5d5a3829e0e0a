from __future__ import annotations

import pytest

from gradmask.lab.measures.catalog.membership_reference import (
    ReferenceMembership,
    ReferenceMembershipMeasure,
    compared,
    document_losses,
)
from gradmask.lab.measures.losses import domain_loss
from lab.measures.domains import counting, known
from tiny import tokens


def test_it_is_the_area_of_loss_minus_the_references() -> None:
    mine = ReferenceMembership(members=[1.0, 2.0], others=[1.0, 5.0])
    reference = ReferenceMembership(members=[3.0, 2.5], others=[1.2, 5.4])
    found = compared(mine, reference)  # differences 2.0, 0.5 and 0.2, 0.4
    assert found.auc == 1.0
    assert compared(mine, mine).auc == 0.5
    # likelier than for the reference by 2 and 0.5; others by 1 and 0: three pairs of four in order
    assert compared(mine, reference.model_copy(update={"others": [2.0, 5.0]})).auc == 0.75


def test_without_a_reference_there_is_no_figure() -> None:
    measure = ReferenceMembershipMeasure()
    alone = document_losses(known("es"), counting("es"), tokens(8, 16))
    assert (alone.auc, measure.tried(alone), measure.lines()[0].cell(alone)) == (None, None, None)
    assert sum(alone.members) / 16 == pytest.approx(domain_loss(known("es"), counting("es")).nats, abs=1e-6)
    other = document_losses(known("en"), counting("es")[:4], tokens(8, 16))
    assert measure.against(alone, other).auc is None  # it was measured on other documents


def test_what_the_reference_does_not_know_is_recognized() -> None:
    one, other = (document_losses(known(d), counting("es"), tokens(16, 16)) for d in ("es", "en"))
    found = ReferenceMembershipMeasure().against(one, other)
    assert found.auc is not None
    assert found.auc > 0.95
