"""Passages make up the whole text, and spans say which of them are labeled."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from gradmask.data.label.passages import Passage, passages_of, spans_of

LONG = "word " * 50


@given(st.text(alphabet="ab \n.。", max_size=300), st.integers(1, 20), st.integers(20, 60))
def test_passages_follow_each_other_and_are_the_whole_text(text: str, shortest: int, longest: int) -> None:
    passages = passages_of(text, shortest, longest)
    assert "".join(text[start:end] for start, end in passages) == text
    assert all(first.end == second.start for first, second in pairwise(passages))
    assert all(passage.end > passage.start for passage in passages) or text == ""


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"{LONG}\n\n{LONG}", 2),
        ("short\n\nshort\n\nshort", 1),
        (f"Title\n\n{LONG}\n\n{LONG}", 2),
        (LONG * 20, 3),
        ("字" * 5000, 1),
        ("字" * 1500 + "。" + "字" * 1500 + "。", 2),
    ],
)
def test_where_texts_are_divided(text: str, parts: int) -> None:
    assert len(passages_of(text)) == parts


def test_spans_join_neighbours_of_one_label_and_leave_out_the_unlabeled() -> None:
    passages = [Passage(0, 5), Passage(5, 9), Passage(9, 12), Passage(12, 20)]
    assert spans_of(passages, ["a", "a", None, "retain"]) == [
        {"start": 0, "end": 9, "label": "a"},
        {"start": 12, "end": 20, "label": "retain"},
    ]
