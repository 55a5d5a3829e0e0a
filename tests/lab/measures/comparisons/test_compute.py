from __future__ import annotations

from gradmask.lab.measures.comparisons.compute import ratios, training_compute
from gradmask.lab.measures.laws import fit_sizes


def test_only_roles_with_a_law_have_a_ratio() -> None:
    law = fit_sizes([1e12, 2e12, 4e12, 8e12], [5.0, 4.5, 4.0, 3.7])
    found = ratios({"forget": law}, {"x": {"forget": 4.0, "retain": 3.0}}, {"forget": 3.7})
    assert set(found["x"]) == {"forget"}
    assert training_compute(10, 100) == 6000
