"""Which tokens of a labeled example are of its group, against words counted by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, strategies as st

from gradmask.data.words import distinctiveness, token_labels, vocabulary, words


class Tokens:
    """A tokenizer of these tokens; ``Ġ`` is a space."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    def convert_ids_to_tokens(self, ids: range) -> list[str]:
        return [self.tokens[i] for i in ids]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        return "".join(tokens).replace("Ġ", " ").replace("Ċ", "\n")

    def encode(self, *tokens: str) -> np.ndarray:
        return np.asarray([self.tokens.index(token) for token in tokens])


TOKENIZER = Tokens("Ġthe", "Ġflu", "Ġva", "ccine", "Ġcar", "s", ".", "Ċ", "The", "�", "Ġ1", "9")


def words_of(*tokens: str) -> list[str]:
    return [word for _, _, word in words(TOKENIZER.encode(*tokens), vocabulary(TOKENIZER))]


def test_words_are_put_together_from_their_pieces() -> None:
    assert words_of("Ġva", "ccine", ".", "Ċ", "The", "Ġcar", "s") == ["vaccine", ".", "", "the", "car" + "s"]
    assert words_of("s", "Ġ1", "9", ".", "s") == ["s", "19", ".", "s"], "a sign ends a word"
    assert words_of("Ġcar", "�", "s") == ["car�s"], "half a letter is a letter"
    assert words_of() == []


@given(st.lists(st.integers(0, len(TOKENIZER) - 1), max_size=20))
def test_words_cover_every_position_once(row: list[int]) -> None:
    spans = [(begin, end) for begin, end, _ in words(np.asarray(row, dtype=int), vocabulary(TOKENIZER))]
    assert [at for begin, end in spans for at in range(begin, end)] == list(range(len(row)))


def test_distinctiveness_is_seen_over_expected() -> None:
    own, usual = Counter(flu=9, the=30, rare=1), Counter(the=300, flu=10, other=90)
    ratios = distinctiveness(own, usual)
    assert ratios["flu"] == pytest.approx(10 / (10 * 40 / 400 + 1))
    assert ratios["the"] == pytest.approx(31 / 31)
    assert ratios["rare"] == pytest.approx(2.0), "a word seen once says little"
    assert distinctiveness(own, Counter())["flu"] == 10.0


def test_a_labeled_example_is_told_apart_by_its_words() -> None:
    flu = TOKENIZER.encode("Ġthe", "Ġthe", "Ġflu", "Ġva", "ccine", "Ġthe", "Ġthe", ".")
    cars = TOKENIZER.encode("Ġthe", "Ġcar", "s", ".", "Ġthe", "Ġcar", "s", "Ġthe")
    sequences = np.stack([flu, cars, flu, cars, flu])
    labels = np.asarray([1, 0, 1, 0, -1])
    per_token = token_labels(sequences, labels, TOKENIZER, ratio=2.0, common="unlabeled")
    # the position before a distinctive word predicts it, and the last position of one shows it
    assert per_token[0].tolist() == [-1, 1, 1, 1, 1, -1, -1, -1]
    assert per_token[2].tolist() == per_token[0].tolist()
    kept = token_labels(sequences, labels, TOKENIZER, ratio=2.0)
    assert kept[0].tolist() == [0, 1, 1, 1, 1, 0, 0, 0]
    assert (kept[4] == -1).all()
    assert (per_token[1] == 0).all()
    assert (per_token[4] == -1).all(), "what is unlabeled stays so"
    assert (token_labels(sequences, labels, TOKENIZER, ratio=1e9)[0] == 0).all(), "nothing is so distinctive"


def test_every_group_has_words_of_its_own() -> None:
    flu, cars = TOKENIZER.encode("Ġthe", "Ġflu", "Ġflu", "Ġflu"), TOKENIZER.encode("Ġthe", "Ġcar", "Ġcar", "Ġcar")
    plain = TOKENIZER.encode("Ġthe", "Ġthe", ".", ".")
    per_token = token_labels(np.stack([flu, cars, plain]), np.asarray([1, 2, 0]), TOKENIZER, ratio=1.5)
    assert per_token.tolist() == [[1, 1, 1, 1], [2, 2, 2, 2], [0, 0, 0, 0]]
