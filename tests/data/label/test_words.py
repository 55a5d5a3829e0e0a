from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from gradmask.data.label.words.finding import find_words
from gradmask.data.label.words.vocabulary import Vocabulary, chunks

TEXTS = [
    "The cat, the CAT; and the dog_house!",
    "",
    "Über straße, naïve café — ¿Qué? “quoted”…",
    "don't stop 3.14 x2",
    "   ",
    "ΑΒΓ αβγ Привет привет",
    "a\nb\tthe dog",
]


def words_of(texts: list[str]) -> list[list[str]]:
    words = find_words(texts)
    all_words = [words.text[a:b] for a, b in zip(words.starts, words.ends, strict=True)]
    return [all_words[a:b] for a, b in zip(words.first[:-1], words.first[1:], strict=True)]


def test_words_are_runs_of_letters_digits_and_marks() -> None:
    assert words_of(TEXTS) == [re.findall(r"[^\W_]+", text) for text in TEXTS]


def test_scripts_without_spaces_give_a_word_for_each_character() -> None:
    assert words_of(["東京 is 大きい", "𠮷野"]) == [["東", "京", "is", "大", "き", "い"], ["𠮷", "野"]]


def test_equal_words_and_only_they_have_equal_numbers() -> None:
    words = find_words(TEXTS)
    lower = [words.text[a:b].lower() for a, b in zip(words.starts, words.ends, strict=True)]
    numbers = dict(zip(lower, words.hashes.tolist(), strict=True))
    assert words.hashes.tolist() == [numbers[word] for word in lower]
    assert len(set(numbers.values())) == len(numbers)


def test_lone_surrogates_and_null_characters_are_text() -> None:
    assert words_of(["a\ud800b", "c\0d"]) == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize("pairs", [False, True])
def test_counts_are_those_of_scikit_learn(pairs: bool) -> None:
    texts = [*TEXTS, *TEXTS[:3], "the dog and the dog"]
    other = CountVectorizer(token_pattern=r"[^\W_]+", ngram_range=(1, 2 if pairs else 1), min_df=2)
    expected = other.fit_transform(texts).toarray()
    vocabulary = Vocabulary.of(texts, word_pairs=pairs)
    names = other.get_feature_names_out().tolist()
    assert sorted(vocabulary.terms) == sorted(names)
    ours = vocabulary.count(texts).toarray()
    assert np.array_equal(ours[:, [vocabulary.terms.index(name) for name in names]], expected)


def test_most_frequent_terms_are_kept() -> None:
    assert Vocabulary.of(["a b c", "a b", "a"], least=1, most=2, word_pairs=False).terms == ["a", "b"]


def test_nothing_known_counts_nothing() -> None:
    assert Vocabulary([]).count(["a b"]).shape == (1, 0)
    assert Vocabulary(["a"]).count([]).shape == (0, 1)
    assert Vocabulary.of([]).terms == []


def test_chunks_hold_every_text_once_in_order() -> None:
    texts = ["x" * n for n in (5, 0, 7, 100, 1, 0)]
    assert [text for chunk in chunks(texts, 8) for text in chunk] == texts
    assert [len(chunk) for chunk in chunks(texts, 8)] == [3, 1, 2]


def test_words_of_western_text_are_the_same_beside_other_scripts() -> None:
    """Text of Latin-1 characters takes a faster way."""
    western = ["Année über naïve", "the cat. ÉTÉ x_1 2nd ¿qué? ªº²"]
    alone, together = find_words(western), find_words([*western, "字 x"])
    n = len(alone.hashes)
    assert n == 11
    for name in ("hashes", "starts", "ends"):
        assert getattr(alone, name).tolist() == getattr(together, name)[:n].tolist()
