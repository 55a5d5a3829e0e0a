"""Fields are told from their names and values, and never twice."""

from __future__ import annotations

from typing import Any

import pytest

from gradmask.lab.setup.start.fields import field_names, guess_fields

TEXT = "A text that is as long as a text is, more or less."


def rows(**columns: list[Any]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (rows(text=[TEXT] * 4, domain=["a", "b", "a", "b"]), {"text_field": "text", "domain_field": "domain"}),
        (rows(body=[TEXT] * 4, lang=["a", "b"] * 2), {"text_field": "body", "domain_field": "lang"}),
        (rows(x=[TEXT] * 4, y=["a", "b"] * 2), {"text_field": "x"}),
        (rows(text=[TEXT] * 4, label=[0, 1, 0, 1]), {"text_field": "text", "domain_field": "label"}),
        (rows(text=[TEXT] * 4, label=["forget", None, None, None]), {"text_field": "text", "label_field": "label"}),
        (
            rows(text=[TEXT] * 4, label=["forget", "retain"] * 2, domain=["a", "b"] * 2, truth=["a", "b"] * 2),
            {"text_field": "text", "label_field": "label", "domain_field": "domain", "truth_field": "truth"},
        ),
        (
            rows(question=["why?"] * 4, answer=["so"] * 4, topic=["a", "b"] * 2),
            {"question_field": "question", "answer_field": "answer", "domain_field": "topic"},
        ),
        (
            rows(messages=[[{"role": "user", "content": "hi"}]] * 4, source=["a", "b"] * 2),
            {"messages_field": "messages", "domain_field": "source"},
        ),
        (
            rows(text=[TEXT] * 4, meta=[{"set": {"lang": name}} for name in "abab"], split=["train", "test"] * 2),
            {"text_field": "text", "domain_field": "meta.set.lang", "split_field": "split"},
        ),
        (rows(text=[TEXT] * 4, split=["validation", "train"] * 2), {"text_field": "text"}),
        (rows(text=[TEXT] * 4, source=["a", "b", "c", "d"]), {"text_field": "text"}),
        (
            rows(text=[TEXT] * 2, spans=[[{"start": 0, "end": 3, "label": "forget"}], None]),
            {"text_field": "text", "spans_field": "spans"},
        ),
        (rows(n=[1, 2], flag=[True, False]), {}),
        ([], {}),
    ],
)
def test_what_is_told(given: list[dict[str, Any]], expected: dict[str, str]) -> None:
    assert guess_fields(given).given() == expected


def test_names_inside_of_others() -> None:
    assert field_names([{"a": {"b": 1, "c": {}}, "d": 2}, {"e": 3}]) == ["a.b", "a.c", "d", "e"]
