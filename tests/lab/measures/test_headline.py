from __future__ import annotations

import pytest

from gradmask.lab.measures.headline import headline, role_error, role_loss
from lab.measures.fabricated import arm, arms, domain


def test_everything_is_compared_with_no_filter() -> None:
    h = headline(arms())
    assert h.gap_closed == pytest.approx((6.51 - 4.25) / (6.71 - 4.25))
    assert h.filter_gap_closed == pytest.approx((4.94 - 4.25) / (6.71 - 4.25))
    assert h.retain_difference == pytest.approx(4.22 - 4.16)
    assert h.filter_retain_difference == pytest.approx(4.27 - 4.16)
    assert h.full_forget_difference == pytest.approx(4.47 - 4.25)
    assert h.adjacent_difference is None
    assert h.calibrated
    assert h.remarks == []


def test_adjacent_domains_have_their_own_difference() -> None:
    found = headline(
        {
            "gradmask": arm("g", {"removed": {"a": ("adjacent", 3.5), "b": ("adjacent", 3.7)}}),
            "no_filter": arm("n", {"full": {"a": ("adjacent", 3.0), "b": ("adjacent", 3.0)}}),
        }
    )
    assert found.adjacent_difference == pytest.approx(0.6)
    assert found.retain_difference is None


def test_one_model_without_calibration_makes_all_comparisons_plain() -> None:
    some = arms()
    some["filter"].models["full"]["en"].calibrated_loss = None
    h = headline(some)
    assert not h.calibrated
    assert h.retain_difference == pytest.approx(4.22 - 4.16)  # fabricated plain losses lie 0.05 higher, all of them
    some["no_filter"].models["full"]["en"].loss += 1
    assert headline(some).retain_difference == pytest.approx(4.22 - 4.16 - 1)


@pytest.mark.parametrize(
    ("perfect", "error", "known"), [(4.26, 0.001, False), (4.30, 0.001, True), (4.30, 0.03, False)]
)
def test_a_gap_must_be_larger_than_its_error(perfect: float, error: float, known: bool) -> None:
    some = arms()
    for name, loss in (("no_filter", 4.25), ("perfect_filter", perfect)):
        some[name].models["full"]["es"] = domain("forget", loss, loss, error)
    h = headline(some)
    assert (h.gap_closed is not None) == known
    assert (h.filter_gap_closed is not None) == known
    needed = max(0.02, 2 * 2**0.5 * error)
    words = f"({perfect:.3f} nats) must lie at least {needed:.3f} above that of no filter (4.250)"
    assert any(words in remark for remark in h.remarks) != known


def test_removal_beyond_a_model_that_never_saw_the_domain_is_remarked() -> None:
    some = arms()
    some["gradmask"].models["removed"]["es"] = domain("forget", 9.5, 9.5)
    h = headline(some)
    assert h.gap_closed == pytest.approx((9.5 - 4.25) / (6.71 - 4.25))
    assert "(213 % of the gap)" in h.remarks[0]
    assert "sign of damage, not of better removal" in h.remarks[0]


@pytest.mark.parametrize("missing", ["gradmask", "no_filter", "perfect_filter", "filter"])
def test_what_was_not_trained_is_left_open(missing: str) -> None:
    some = arms()
    del some[missing]
    h = headline(some)
    assert (h.gap_closed is None) == (missing != "filter")
    assert (h.retain_difference is None) == (missing in ("gradmask", "no_filter"))
    assert h.remarks == []


def test_nothing_at_all_is_no_error() -> None:
    assert not headline({}).calibrated


def test_a_role_is_the_mean_of_its_domains() -> None:
    two = {"a": domain("retain", 2.0, 1.0, 0.3), "b": domain("retain", 4.0, 2.0, 0.4), "c": domain("forget", 9.0, 9.0)}
    assert role_loss(two, "retain", calibrated=False) == 3.0
    assert role_loss(two, "retain", calibrated=True) == 1.5
    assert role_loss(two, "adjacent", calibrated=True) is None
    assert role_error(two, "retain") == pytest.approx(0.25)
