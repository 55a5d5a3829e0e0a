"""Small files of the kinds that people have: all are read, and none loses a document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gradmask as gm
from gradmask.data.reading import SourceCounts, read
from gradmask.data.spec import SourceSpec

CASES = Path(__file__).parents[3] / ".." / "shared" / "cases" / "formats"
FOUND: dict[str, tuple[dict[str, Any], int, set[str]]] = {
    "contradiction.jsonl": ({"label_field": "label"}, 16, {"forget", "retain"}),
    "domains_by_case.jsonl": ({}, 24, {"es", "ES", "es ", "en"}),
    "few_labels.jsonl": ({"label_field": "label"}, 24, {"forget", "unlabeled"}),
    "messages.jsonl": ({"messages_field": "messages"}, 24, {"a", "b"}),
    "nested_meta.jsonl": ({"domain_field": "meta.pile_set_name"}, 24, {"Code", "Books"}),
    "question_answer.json": ({"question_field": "question", "answer_field": "answer", "domain": "a"}, 24, {"a"}),
    "rows.csv": ({}, 24, {"es", "en"}),
    "rows.jsonl.bz2": ({}, 24, {"es", "ES", "es ", "en"}),
    "rows.jsonl.zst": ({}, 24, {"es", "ES", "es ", "en"}),
    "latin1.txt": ({"domain": "a", "encoding": "latin-1"}, 2, {"a"}),
}


@pytest.mark.skipif(not CASES.is_dir(), reason="the small files are not here")
@pytest.mark.parametrize("name", sorted(FOUND))
def test_files_as_people_have_them(name: str) -> None:
    fields, count, domains = FOUND[name]
    counts = SourceCounts(name)
    documents = list(read(SourceSpec(path=str(CASES / name), **fields), counts=counts))
    assert (len(documents), counts.rows, dict(counts.skipped)) == (count, count, {})
    assert {document.domain for document in documents} == domains


@pytest.mark.skipif(not CASES.is_dir(), reason="the small files are not here")
def test_every_one_of_them_is_tried_and_what_to_write_is_said() -> None:
    assert {path.name for path in CASES.iterdir()} == {*FOUND}
    with pytest.raises(
        gm.GradmaskError, match="line 1: not valid UTF-8 .*: this looks like latin-1: write encoding: latin-1"
    ):
        list(read(SourceSpec(path=str(CASES / "latin1.txt"), domain="a")))
    with pytest.raises(gm.GradmaskError, match="For chat messages write messages_field: messages"):
        list(read(SourceSpec(path=str(CASES / "messages.jsonl"))))
    with pytest.raises(gm.GradmaskError, match="write question_field: question, answer_field: answer"):
        list(read(SourceSpec(path=str(CASES / "question_answer.json"), domain="a")))
