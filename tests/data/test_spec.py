from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gradmask.data.spec import DataSpec, LabelSpec, SourceSpec

LABELS = {"forget": ["es"]}


def data(**fields: Any) -> DataSpec:
    return DataSpec(**{"sources": [{"kind": "stories"}], "labels": LABELS, **fields})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"kind": "stories", "path": "x"}, "stories are built in and have no path"),
        ({"kind": "stories", "languages": ["en", "en"]}, "a language is listed twice"),
        ({"kind": "jsonl"}, "a source of kind 'jsonl' needs a path"),
        ({"kind": "text", "path": "x.txt"}, "plain text has no fields: set its domain, or its label"),
        (
            {"kind": "jsonl", "path": "x", "subset": "a"},
            "subset is for sources of kind 'datasets', not 'jsonl': remove it",
        ),
        ({"kind": "xml", "path": "x"}, "Input should be 'stories', 'jsonl'"),
        ({"kind": "csv"}, "a source of kind 'csv' needs a path"),
        ({"path": "x.jsnl"}, r"the kind of x.jsnl cannot be told from its name: set kind. Did you mean '.jsonl'"),
        ({"path": ["x.jsonl", "y.csv"]}, r"the files are of different kinds \(csv, jsonl\): make a source of each"),
        ({"kind": "jsonl", "path": []}, "path is an empty list"),
        ({"path": "x.txt", "domain": "a", "encoding": "utf8x"}, "there is no encoding 'utf8x': give one such as utf-8"),
        ({"path": "x.parquet", "encoding": "latin-1"}, "a source of kind 'parquet' has its own encoding"),
        ({"path": "x.jsonl", "pattern": "*.txt"}, "pattern is for sources of kind 'folder'"),
        ({"path": "x.jsonl", "question_field": "q"}, "question_field and answer_field belong together"),
        (
            {"path": "x.jsonl", "text_field": "t", "messages_field": "m"},
            "messages_field and text_field are set, but a doc",
        ),
        ({"path": "x.jsonl", "chat_template": "plain"}, "chat_template is for messages_field or question_field"),
        ({"path": "x.jsonl", "messages_field": "m", "spans_field": "s"}, "spans are characters of a text"),
        ({"path": "x.txt", "domain": "a", "messages_field": "m"}, "a source of kind 'text' has no fields"),
        ({"kind": "stories", "split": "test"}, "stories have both splits"),
        ({"kind": "stories", "languages": []}, "at least 1 item"),
        ({"kind": "jsonl", "path": "x", "domain": ""}, "at least 1 character"),
        ({"kind": "jsonl", "path": "x", "megabytes": 0}, "greater than 0"),
        ({"kind": "jsonl", "path": "x", "filed": "a"}, "Extra inputs are not permitted"),
    ],
)
def test_a_source_that_cannot_be_is_refused(source: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SourceSpec(**source)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_tokens": 100}, "max_tokens is 100, needed: at least one sequence of 256 tokens"),
        ({"max_tokens": {"es": 100}}, "max_tokens is 100, needed: at least one sequence of 256 tokens"),
        ({"labels": {"forget": ["es"], "adjacent": ["es"]}}, r"\['es'\] are listed twice"),
        ({"labels": {"forget": {"a": ["es"], "b": []}}}, "every removable group needs at least one domain"),
        (
            {"simulate": {"retain_labeled": 0.9, "false_positives": 0.2}},
            r"retain_labeled \+ false_positives is 1.1, needed: at most 1",
        ),
        ({"simulate": {"undiscovered": 1.5}}, "less than or equal to 1"),
        ({"sources": []}, "at least 1 item"),
        ({"seed": -1}, "greater than or equal to 0"),
    ],
)
def test_data_that_cannot_be_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        data(**fields)


def test_groups_are_numbered_as_they_are_named() -> None:
    named = LabelSpec(forget={"biology": ["bio", "med"], "software": ["code"]})
    assert named.group_ids == {"bio": 1, "med": 1, "code": 2}
    assert LabelSpec(forget=["es"]).groups == {"forget": ["es"]}


def test_a_spec_comes_back_from_its_own_dump_and_cannot_be_changed() -> None:
    spec = data(max_tokens={"es": 1000})
    assert DataSpec.model_validate(spec.model_dump(mode="json")) == spec
    with pytest.raises(ValidationError, match="frozen"):
        spec.seed = 1  # type: ignore[misc]
