from __future__ import annotations

import random

import numpy as np
import pytest
from tests.data.inspection.corpora import FORGET, dataset, row, sentence

from gradmask.data import RETAIN, UNLABELED
from gradmask.data.inspection import near
from gradmask.data.inspection.near import classes_of, matters, near_duplicates, sample
from gradmask.data.inspection.shingles import shingles, similarity
from gradmask.data.inspection.survey import Survey, survey_of

RNG = random.Random(0)


def survey(rows: list[dict]) -> Survey:
    return survey_of(dataset(rows), ["forget"])


def changed(text: str, words: int) -> str:
    """A text with so many of its words replaced."""
    parts = text.split()
    for i in RNG.sample(range(len(parts)), words):
        parts[i] = "other"
    return " ".join(parts)


def test_similarity_is_the_jaccard_index_of_word_runs() -> None:
    assert similarity("a b c d e f", "A  b c d e f") == 1.0
    assert similarity("a b c d e f", "a b c d e g") == 1 / 3
    assert similarity("今日は天気がとても良いので", "今日は天気がとても良いのに") == 5 / 7
    assert shingles("two words") == {"two words"}
    assert shingles("") == {""}


def test_pairs_are_those_of_an_exhaustive_search() -> None:
    texts = [sentence(RNG, 200) for _ in range(40)]
    rows = [row(text) for text in texts] + [row(changed(text, i // 4), split="test") for i, text in enumerate(texts)]
    found = {(pair.first, pair.second): pair.similarity for pair in near_duplicates(survey(rows)).pairs}
    exact = {(i, 40 + i): similarity(text, rows[40 + i]["text"]) for i, text in enumerate(texts)}
    clear = {
        pair: index for pair, index in exact.items() if index >= 0.75 and rows[pair[0]]["text"] != rows[pair[1]]["text"]
    }
    assert clear.items() <= found.items() <= exact.items()
    assert len(clear) > 15
    assert min(found.values()) >= near.SIMILAR


def test_only_pairs_that_say_something_are_compared() -> None:
    forget, retain, unlabeled = 2 * (FORGET + 1), 2 * (RETAIN + 1), 2 * (UNLABELED + 1)
    assert matters(forget, retain)
    assert matters(unlabeled, unlabeled + 1)
    assert not matters(forget, unlabeled)
    assert not matters(retain, retain)
    text = sentence(RNG, 200)
    rows = [row(text), row(changed(text, 1)), row(changed(text, 1), "medicine", UNLABELED)]
    assert near_duplicates(survey(rows)).pairs == []


def test_a_form_letter_is_not_compared_with_all_its_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "VERIFIED", 40)
    text = sentence(RNG, 200)
    rows = [row(changed(text, 1), split=split) for split in ("train", "test") for _ in range(60)]
    found = near_duplicates(survey(rows))
    assert found.cut
    assert 0 < len(found.pairs) <= 40


def test_a_sample_keeps_small_classes_whole() -> None:
    sizes = np.full(1_000, 100)
    classes = np.where(np.arange(1_000) < 10, 1, 2)
    hashes = np.random.default_rng(0).integers(0, 2**64, 1_000, dtype=np.uint64)
    rows = sample(np.arange(1_000), classes, sizes, hashes, 20_000)
    assert rows[:10].tolist() == list(range(10))
    assert 150 < len(rows) < 250
    assert len(sample(np.arange(1_000), classes, sizes, hashes, 10**9)) == 1_000


def test_how_much_was_compared_is_told() -> None:
    rows = [row(sentence(RNG), split=split) for split in ("train", "test") for _ in range(100)]
    found = near_duplicates(survey([*rows, rows[0]]), limit=sum(len(r["text"]) for r in rows) // 2)
    assert found.documents == 200
    assert 70 < found.compared < 130
    assert classes_of(survey(rows)).tolist() == [2] * 100 + [3] * 100
