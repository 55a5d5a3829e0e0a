from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.label.topics import texts
from gradmask.data import label
from gradmask.errors import GradmaskError

GROUPS = ["cooking", "sailing"]


@pytest.fixture(scope="module")
def labeler() -> label.Labeler:
    named = {name: texts(name, 25) for name in [*GROUPS, "retain"]}
    examples = label.Examples(
        [text for group in named.values() for text in group], [name for name in named for _ in range(25)]
    )
    return label.fit(examples, unlabeled=[*texts("retain", 60, 1), *texts("cooking", 10, 1)])


def test_a_labeler_finds_what_it_was_shown(labeler: label.Labeler) -> None:
    assert labeler.groups == ("cooking", "sailing")
    labels = labeler.split(
        labeler.scores([*texts("cooking", 20, 2), *texts("sailing", 20, 2), *texts("retain", 20, 2)])
    )
    assert [np.bincount(labels[at : at + 20] + 1, minlength=4).argmax() for at in (0, 20, 40)] == [2, 3, 1]
    assert labeler.names(np.array([1, 2, 0, -1])) == ["cooking", "sailing", "retain", None]


def test_it_comes_back_from_its_folder_as_it_was(labeler: label.Labeler, tmp_path: Path) -> None:
    labeler.save(tmp_path / "labeler")
    back, some = label.open(tmp_path / "labeler"), texts("sailing", 5, 3)
    assert np.array_equal(back.scores(some), labeler.scores(some))
    assert (back.thresholds, back.suspicious, back.prevalence) == (
        labeler.thresholds,
        labeler.suspicious,
        labeler.prevalence,
    )
    with (tmp_path / "labeler" / "vocabulary.txt").open("a") as file:
        file.write("\nmore")
    with pytest.raises(GradmaskError, match=r"vocabulary.txt is missing or not what was saved"):
        label.open(tmp_path / "labeler")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([None] * 8, "no example has the label of a group"),
        (["cooking"] * 8, "8 examples are of the group 'cooking' and 0 labeled examples are not"),
        (["cooking", *["retain"] * 7], "1 examples are of the group 'cooking'"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(labels: list[str | None], message: str) -> None:
    with pytest.raises(GradmaskError, match=message):
        label.fit(label.Examples(texts("cooking", 8), labels))
