from __future__ import annotations

import pytest

import gradmask as gm
from gradmask.routing.policy import COLUMNS, GRAM_SETTINGS, ROWS, resolve_policy


def test_sgtm_is_the_papers_table() -> None:
    sgtm = gm.POLICIES["sgtm"]
    assert sgtm.cell("group", "retain") == gm.Cell(runs=1, learns=0)
    assert sgtm.cell("group", "own") == gm.Cell(1, 1)
    assert sgtm.cell("group", "joint") == gm.Cell(1, 1)
    assert sgtm.cell("retain", "own") == gm.Cell(0, 0)
    assert all(sgtm.cell("unlabeled", column) == gm.Cell(1, 1) for column in COLUMNS)


def test_a_published_name_brings_what_is_joint_there_in_both_settings() -> None:
    sgtm, masked = gm.POLICIES["sgtm_joint_projection"], gm.POLICIES["sgtm_joint_projection_mask_embeddings"]
    assert (sgtm.joint, masked.joint) == (("projections",), ("projections",))
    assert sgtm.joint_by_default == ("embeddings", "head", "norms", "unsliced_blocks")
    assert masked.joint_by_default == ("norms", "untied_head", "unsliced_blocks")
    assert gm.POLICIES["sgtm_mask_embeddings"].joint_by_default == ("outer_norms", "untied_head", "unsliced_blocks")
    assert gm.POLICIES["strict"].joint_by_default == ()


def test_equation_only_masks_gradients_and_never_the_forward_pass() -> None:
    policy = gm.POLICIES["equation_only"]
    assert all(policy.cell(row, column).runs == 1 for row in ROWS for column in COLUMNS)
    assert policy.cell("group", "retain").learns == policy.cell("retain", "own").learns == 0


def test_a_policy_prints_itself_as_a_table() -> None:
    text = str(gm.gram(0.25, 0.1))
    assert "label       retain                  joint" in text
    assert "runs, learns p=0.25" in text
    assert "one random removable group runs and learns with probability 0.1" in text
    rehearsing = gm.Policy("mine", rehearsal=0.1)
    assert "retain is routed as one random removable group with probability 0.1" in str(rehearsing)
    assert rehearsing.random


def test_only_tables_with_probabilities_draw() -> None:
    assert [name for name, policy in sorted(gm.POLICIES.items()) if policy.random] == sorted(GRAM_SETTINGS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gm.Cell(runs=1.5), "probability from 0 to 1, got 1.5"),
        (lambda: gm.Policy("mine", rehearsal=2.0), "probability from 0 to 1, got 2.0"),
        (lambda: gm.Policy("mine", {"forget": {}}), "unknown row 'forget'"),
        (lambda: gm.Policy("mine", {"group": {"self": gm.Cell()}}), "unknown column 'self'"),
        (lambda: resolve_policy("sgmt"), "Did you mean 'sgtm'"),
    ],
)
def test_a_wrong_table_is_refused(make: object, message: str) -> None:
    with pytest.raises(gm.GradmaskError, match=message):
        make()  # type: ignore[operator]
