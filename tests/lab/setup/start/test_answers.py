"""Names that must go are those that the documents have."""

from __future__ import annotations

from collections import Counter

import pytest

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.setup.start.answers import alike, groups_of
from gradmask.lab.setup.start.counting import Amount, Counts

COMPOSED, DECOMPOSED = "espa\u00f1ol", "espan\u0303ol"


def counts(*domains: str) -> Counts:
    return Counts({name: Amount(1, 10) for name in domains}, {}, Counter(), Counter())


def test_a_name_is_known_in_other_capitals_and_however_its_accents_are_written() -> None:
    for given in (COMPOSED, DECOMPOSED, DECOMPOSED.upper()):
        assert groups_of([given], counts(COMPOSED, "english")) == {"forget": [COMPOSED]}
    assert groups_of(["a=" + COMPOSED], counts(DECOMPOSED, "english")) == {"a": [DECOMPOSED]}
    assert alike([COMPOSED], counts(COMPOSED, DECOMPOSED, "english")) == [DECOMPOSED]


def test_another_name_is_not() -> None:
    with pytest.raises(GradmaskError, match="--forget: no document has the domain 'espanol'. Did you mean 'español'"):
        groups_of(["espanol"], counts(COMPOSED, "english"))


def test_names_that_look_the_same_are_said_to_differ() -> None:
    assert did_you_mean(DECOMPOSED, [COMPOSED]).endswith("its accents are other code points: copy it from there")
    assert did_you_mean("espanol", [COMPOSED]) == f" Did you mean {COMPOSED!r}?"
