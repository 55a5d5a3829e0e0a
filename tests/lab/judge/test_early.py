from __future__ import annotations

from gradmask.lab.judge.early import early_signs

ROLES = {"en": "retain", "es": "forget"}


def point(full: tuple[float, float], removed: tuple[float, float]) -> dict[str, dict[str, float]]:
    return {name: {"en": en, "es": es} for name, (en, es) in {"full": full, "removed": removed}.items()}


def test_a_healthy_run_is_left_alone() -> None:
    assert early_signs(point((4.1, 4.2), (4.0, 8.0)), ROLES, 0.6) == []


def test_an_idle_group_is_said() -> None:
    (sign,) = early_signs(point((4.0, 4.2), (4.0, 4.21)), ROLES, 0.6)
    assert "holds nothing yet" in sign
    assert "0.010 nats" in sign


def test_a_group_that_disturbs_is_said() -> None:
    (sign,) = early_signs(point((4.3, 4.2), (4.0, 8.0)), ROLES, 0.5)
    assert "0.300 nats higher" in sign


def test_nothing_is_said_too_early_or_without_both_models() -> None:
    assert early_signs(point((4.3, 4.2), (4.0, 4.2)), ROLES, 0.4) == []
    assert early_signs({"full": {"en": 4.0, "es": 4.0}}, ROLES, 0.9) == []
    broken = float("inf")
    assert early_signs(point((broken, broken), (broken, broken)), ROLES, 0.9) == []


def test_before_a_consolidation_only_an_idle_group_is_said() -> None:
    assert early_signs(point((4.3, 4.2), (4.0, 8.0)), ROLES, 0.5, consolidates=True) == []
    assert len(early_signs(point((4.3, 4.2), (4.0, 4.2)), ROLES, 0.5, consolidates=True)) == 1
