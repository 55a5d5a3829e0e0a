from __future__ import annotations

import pytest
from datasets import Dataset

from gradmask.data.kept_text import kept_parts, tokenizer_texts

SPANS = [{"start": 2, "end": 4, "label": 1}, {"start": 4, "end": 5, "label": 0}, {"start": 7, "end": 9, "label": -1}]


@pytest.mark.parametrize(
    ("label", "spans", "kept"),
    [
        (0, [], ["abcdefghij"]),
        (-1, [], ["abcdefghij"]),
        (1, [], []),
        (0, SPANS, ["ab", "e", "fg", "hi", "j"]),
        (2, SPANS, ["e", "hi"]),
        (0, [{"start": 0, "end": 10, "label": 1}], []),
    ],
)
def test_only_what_no_group_has_is_kept(label: int, spans: list[dict[str, int]], kept: list[str]) -> None:
    assert list(kept_parts("abcdefghij", label, spans)) == kept


def test_texts_for_a_tokenizer() -> None:
    train = Dataset.from_dict({"text": ["a", "b", "c"], "data_labels": [0, 1, -1]})
    assert list(tokenizer_texts(train, False)) == ["a", "b", "c"]
    assert list(tokenizer_texts(train, True)) == ["a", "c"]
