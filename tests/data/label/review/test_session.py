from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data.label.review.fixture import document, pool, session, truth
from gradmask.data.label.review import Candidate, Session, read_examples
from gradmask.errors import GradmaskError


def shown(of: Session) -> Candidate:
    candidate = of.next()
    assert candidate is not None
    return candidate


def answer(of: Session, count: int) -> list[Candidate]:
    """Answer ``count`` documents with the truth, fitting again whenever it is due."""
    seen = []
    for _ in range(count):
        seen.append(shown(of))
        of.answer(seen[-1], truth(seen[-1].document))
        if of.due:
            of.refit()
    return seen


def test_a_document_is_shown_until_it_is_answered_and_then_never_again(tmp_path: Path) -> None:
    review = session(tmp_path)
    assert review.next() == review.next()
    seen = [candidate.document.id for candidate in answer(review, 60)]
    assert len(set(seen)) == 60
    assert review.next() is None


def test_every_answer_is_on_disk_at_once_and_another_session_resumes(tmp_path: Path) -> None:
    review = session(tmp_path)
    seen = answer(review, 7)
    assert [row["id"] for row in read_examples(tmp_path / "examples.jsonl")] == [c.document.id for c in seen]
    again = session(tmp_path)
    assert len(again.answers) == 7
    assert not again.due
    assert again.positives == review.positives
    assert shown(again).document.id not in {c.document.id for c in seen}


def test_undo_shows_the_document_again_and_is_a_record(tmp_path: Path) -> None:
    review = session(tmp_path)
    first, second = answer(review, 2)
    assert review.undo() == second
    assert review.next() == second
    review.answer(second, None)
    assert [row["label"] for row in review.answers] == [truth(first.document), None]
    lines = [json.loads(line) for line in (tmp_path / "examples.jsonl").read_text().splitlines()]
    assert [line.get("undo", False) for line in lines] == [False, False, True, False]
    assert [review.undo(), review.undo()] == [second, first]
    assert review.undo() is None


def test_undo_reaches_answers_of_an_earlier_session(tmp_path: Path) -> None:
    last = answer(session(tmp_path), 3)[-1]
    review = session(tmp_path)
    undone = review.undo()
    assert undone is not None
    assert (undone.document, undone.reason) == (last.document, last.reason)
    assert len(review.answers) == 2


def test_what_was_learned_ranks_anew(tmp_path: Path) -> None:
    review = session(tmp_path, every=10, random_share=0.0)
    answer(review, 20)
    assert [p.answers for p in review.history] == [10, 20]
    assert review.history[-1].held_out == {"medicine": (0.8, 0.9)}
    later = answer(review, 4)
    assert any(truth(c.document) == "medicine" for c in later), "half of what is shown should be likely"


def test_a_fit_that_fails_is_told_and_the_review_goes_on(tmp_path: Path) -> None:
    review = session(tmp_path, every=2)
    for _ in range(2):
        review.answer(shown(review), "retain")
    assert review.due
    assert review.refit() is None
    assert "no positive example" in (review.problem or "")
    assert not review.due
    assert review.next() is not None
    review.answer(shown(review), "medicine")
    assert review.refit() is not None
    assert review.problem is None


def test_a_given_example_is_not_shown_again_nor_undone(tmp_path: Path) -> None:
    given = {"text": document(0).text, "label": "medicine", "id": "else:1", "source": "given"}
    (tmp_path / "examples.jsonl").write_text(json.dumps(given) + "\n", encoding="utf-8")
    review = session(tmp_path)
    assert review.undo() is None
    assert document(0).id not in {c.document.id for c in answer(review, 59)}
    assert review.next() is None


def test_search_shows_matches_first_and_can_be_left(tmp_path: Path) -> None:
    review = session(tmp_path)
    assert review.find("N17") == 1
    assert (shown(review).document.id, shown(review).reason) == ("corpus.jsonl:17", "search")
    assert review.find("") == 0
    assert shown(review).reason != "search"
    assert review.find("no such words") == 0


def test_a_label_that_is_none_is_an_error(tmp_path: Path) -> None:
    review = session(tmp_path)
    with pytest.raises(GradmaskError, match="Did you mean 'medicine'"):
        review.answer(shown(review), "medecine")
    assert review.answers == []
    assert not (tmp_path / "examples.jsonl").exists()


def test_the_random_sample_is_what_comes_first_in_the_random_order(tmp_path: Path) -> None:
    review = session(tmp_path, random_share=0.2)
    assert review.estimate() == ""
    answer(review, 40)
    sample = [row["id"] for row, _ in review.random_answers()]
    documents = pool()
    first = [documents.documents[i].id for i in np.argsort(documents.order)[: len(sample)]]
    assert len(sample) >= 8
    assert sorted(sample) == sorted(first)
    assert review.estimate().startswith("medicine: ")


def test_answers_while_fitting_are_kept(tmp_path: Path) -> None:
    review = session(tmp_path, every=5)
    answer(review, 4)
    fit = review._fit

    def slow(texts: list[str], labels: list[str], picked: list[bool]):
        review.answer(shown(review), truth(shown(review).document))
        return fit(texts, labels, picked)

    review._fit = slow
    review.answer(shown(review), "medicine")
    assert review.refit() is not None
    assert len(review.answers) == 6
    assert review.history[-1].answers == 5


def test_the_words_that_drive_a_score_are_found(tmp_path: Path) -> None:
    review = session(tmp_path, every=10)
    assert review.drivers(shown(review)) == {}
    answer(review, 20)
    candidate = next(c for c in (shown(review), *answer(review, 30)) if truth(c.document) == "medicine")
    words = review.drivers(candidate)
    assert set(words) == {w for w in candidate.document.text.split() if not w.startswith("n") or w == "nurse"}
