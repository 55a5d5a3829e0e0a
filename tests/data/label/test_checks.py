from __future__ import annotations

import random

import numpy as np
import pytest

from data.label.topics import texts
from gradmask.data import label
from gradmask.errors import GradmaskError


def test_labels_are_names_several_names_or_unknown() -> None:
    examples = label.Examples(list("abcdef"), ["x", {"x", "y"}, "retain", None, "", "unlabeled"])
    assert examples.groups() == ["x", "y"]
    assert examples.targets(["x", "y"]).tolist() == [[1, 0], [1, 1], [0, 0], [-1, -1], [-1, -1], [-1, -1]]


@pytest.mark.parametrize(
    ("given", "labels", "message"),
    [
        (["a"], ["x", "y"], "1 texts, 2 labels, 0 ids and 0 values of picked: give one label for each text"),
        ([3], ["x"], "example 0: a text is int, needed: a string"),
        (["a"], [{"x", "retain"}], "is both a group and 'retain'"),
        (["a"], [7], "is no name"),
        (["a"], [[7]], "is no name"),
    ],
)
def test_what_is_no_example_is_refused(given: list, labels: list, message: str) -> None:
    with pytest.raises(GradmaskError, match=message):
        label.Examples(given, labels)


def test_contradictory_labels_of_one_text_are_named() -> None:
    some = texts("cooking", 6)
    examples = label.Examples([*some, some[0], *texts("retain", 6)], ["cooking"] * 6 + ["retain"] * 7)
    with pytest.raises(GradmaskError, match="examples 0, 6 are the same text with the labels 'cooking' and 'retain'"):
        label.fit(examples)


def test_a_name_that_is_no_group_is_refused() -> None:
    examples = label.Examples(texts("cooking", 8), ["cooking"] * 4 + ["retian"] * 4)
    with pytest.raises(
        GradmaskError, match=r"label 'retian', which is none of the groups cooking. Did you mean 'retain'\?"
    ):
        label.fit(examples, ["cooking"])


def test_empty_and_repeated_texts_are_left_out_and_told() -> None:
    some = texts("cooking", 8)
    examples = label.Examples([*some, some[0], " ", *texts("retain", 8)], ["cooking"] * 9 + ["retain"] * 9)
    labeler = label.fit(examples)
    assert labeler.notes[:2] == ("1 empty text is left out", "1 repeated text is left out")
    assert sorted(labeler.held_out.rows.tolist()) == [*range(8), *range(10, 18)]


def test_scores_need_text() -> None:
    labeler = label.fit(label.Examples([*texts("cooking", 8), *texts("retain", 8)], ["cooking"] * 8 + ["retain"] * 8))
    with pytest.raises(GradmaskError, match="text 1 is NoneType, needed: a string"):
        labeler.scores(["a", None])
    assert np.isfinite(labeler.scores(["", "\0", "\ud800"])).all()
    assert labeler.scores([]).shape == (0, 1)


def test_a_share_must_be_one() -> None:
    examples = label.Examples([*texts("cooking", 8), *texts("retain", 8)], ["cooking"] * 8 + ["retain"] * 8)
    with pytest.raises(GradmaskError, match="the prevalence of 'cooking' is 2, needed: a number between 0 and 1"):
        label.fit(examples, prevalence={"cooking": 2})
    assert label.fit(examples, prevalence={"cooking": 0.01}).prevalence == {"cooking": 0.01}


def flipped() -> tuple[label.Examples, set[int]]:
    given = [*texts("cooking", 40), *texts("retain", 40)]
    wrong = set(random.Random(0).sample(range(80), 8))
    names = ["cooking" if (i < 40) != (i in wrong) else "retain" for i in range(80)]
    return label.Examples(given, names), wrong


def test_wrong_labels_are_pointed_at_and_may_be_left_out() -> None:
    examples, wrong = flipped()
    labeler = label.fit(examples)
    pointed = {one.row for one in labeler.suspicious}
    assert len(pointed & wrong) >= 7
    assert len(pointed - wrong) <= 2
    assert any("given labels are probably wrong" in note for note in labeler.notes)
    assert [one.score for one in labeler.suspicious] == sorted(one.score for one in labeler.suspicious)
    left_out = label.fit(examples, wrong="leave out")
    assert not pointed & set(left_out.held_out.rows.tolist())
    assert {one.row for one in left_out.suspicious} == pointed
    assert "measured without them" in left_out.notes[-1]
