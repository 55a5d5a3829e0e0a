from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gradmask.data import label
from gradmask.errors import GradmaskError
from lab.labeling.fabricated import write_out


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_out(tmp_path_factory.mktemp("labeled") / "OUT", ["medicine"], documents=150)


def test_what_was_labeled_is_reviewed_with_its_own_scorer_and_target(out: Path) -> None:
    review = label.open_session(out, every=3)
    assert review.groups == ["medicine"]
    assert review.counts == {"medicine": 39, "retain": 41}
    shown = review.next()
    assert shown is not None
    assert review.drivers(shown)
    for _ in range(3):
        review.answer(shown, "medicine" if "dose" in shown.document.text else "retain")
        shown = review.next()
        assert shown is not None
    assert review.due
    progress = review.refit()
    assert progress is not None
    assert review.labeler is not None
    assert review.labeler.thresholds["medicine"].target == {"precision": 0.9, "missed": 0.05}
    assert progress.held_out["medicine"] == pytest.approx((1, 1), abs=0.2)
    assert len(label.read_examples(out / "examples.jsonl")) == 83
    assert len(label.open_session(out).answers) == 3


def test_the_words_of_a_labeler_are_those_of_its_topic(out: Path) -> None:
    words_for, words_against = label.top_words(label.open(out / "labeler"), "medicine", 8)
    assert {"surgeon", "clinic"} <= {word for word, _ in words_for}
    assert "clutch" in {word for word, _ in words_against}
    assert all(weight > 0 for _, weight in words_for)
    assert all(weight < 0 for _, weight in words_against)


def test_the_scorer_is_the_one_of_the_report(out: Path, tmp_path: Path) -> None:
    copy = tmp_path / "OUT"
    shutil.copytree(out, copy)
    (copy / "report.json").write_text(json.dumps({"scorer": "tfidf:other"}), encoding="utf-8")
    assert label.open_session(copy)._fit.scorer == "tfidf:other"
    (copy / "report.json").write_text(json.dumps({"scorer": "static:model"}), encoding="utf-8")
    assert label.open_session(copy)._fit.scorer == "tfidf"


def test_a_folder_without_a_labeler_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match="give the output folder of gradmask label"):
        label.open_session(tmp_path)


def test_how_frequent_a_group_is_is_known_from_before_documents_were_picked(out: Path, tmp_path: Path) -> None:
    known = label.known_prevalence(out)
    assert known == label.open(out / "labeler").prevalence
    assert label.known_prevalence(tmp_path) is None
    review = label.open_session(out, every=1)
    shown = review.next()
    assert shown is not None
    review.answer(shown, "retain")
    review.refit()
    assert review.labeler is not None
    assert review.labeler.prevalence == known
