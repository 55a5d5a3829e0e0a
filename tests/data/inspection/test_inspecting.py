from __future__ import annotations

import json
import logging
import random
from pathlib import Path

import pytest
from tests.data.corpus import write
from tests.data.inspection.corpora import FORGET, USE, clean, dataset, inspected, prepared, row, sentence

from gradmask.data import (
    RETAIN,
    DataSpec,
    Inspection,
    LabelSpec,
    SourceSpec,
    inspect,
    label_documents,
    load_documents,
    prepare,
)
from gradmask.data.spec import TokenizerSpec
from gradmask.errors import GradmaskError


def spec(path: Path, rows: list[dict], **fields: object) -> DataSpec:
    kept = [{name: document[name] for name in ("text", "domain", "split")} for document in rows]
    values = {"sources": [SourceSpec(kind="jsonl", path=write(path / "x.jsonl", kept))], "sequence_length": 32}
    values |= {"labels": LabelSpec(forget=["medicine"]), "tokenizer": TokenizerSpec(vocab_size=300)}
    return DataSpec(**{**values, **fields})  # type: ignore[arg-type]


def test_every_document_and_token_is_in_one_part(tmp_path: Path) -> None:
    given = spec(tmp_path, clean())
    made = prepare(given, tmp_path / "data")
    found = inspect(given, made, use=USE)
    assert found.total("documents") == 140
    assert found.total("documents", domain="medicine", split="test", label="forget") == 10
    assert found.total("bytes") == sum(len(document["text"]) for document in clean())
    assert found.total("tokens", split="train") == 32 * len(made.train)
    assert found.total("tokens", split="test") == 32 * sum(map(len, made.test.values()))
    assert {(part.domain, part.role) for part in found.parts} == {("news", "retain"), ("medicine", "forget")}
    assert found.labels == ["unlabeled", "retain", "forget"]
    assert (found.compared, found.texts) == (140, 140)


def test_without_tokens_bytes_are_known() -> None:
    found = inspected(clean())
    assert {part.tokens for part in found.parts} == {None}
    assert found.total("bytes") > 0


def test_places_are_files_and_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [*clean(), clean()[0], {"text": " ", "domain": "news", "split": "train"}]
    with caplog.at_level(logging.WARNING):
        found = inspect(spec(tmp_path, rows), use=USE)
    blank, copies = sorted(found.findings, key=lambda finding: finding.name)[::-1]
    assert list(copies.examples) == [f"{tmp_path}/x.jsonl, line 141 = {tmp_path}/x.jsonl, line 1"]
    assert list(blank.examples) == [f"{tmp_path}/x.jsonl, line 142: blank text"]
    assert caplog.records == []


def test_json_and_back() -> None:
    found = inspected([*clean(), row("ok"), clean()[0]], prepared=prepared(clean()))
    again = Inspection.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.parts == found.parts
    assert [str(finding) for finding in again.findings] == [str(finding) for finding in found.findings]
    assert json.dumps(again.to_dict()) == json.dumps(found.to_dict())


def test_the_worst_comes_first_and_stops() -> None:
    broken = [{**document, "data_labels": RETAIN} for document in clean()]
    found = inspected([*broken, *broken[:3], row("ok")])
    assert [finding.severity for finding in found.findings] == ["error", "warning", "note"]
    with pytest.raises(
        GradmaskError, match=r"(?s)pointless:\n  error: all 114 .*\n  warning: copies of earlier"
    ) as refused:
        found.require_sense()
    assert "note" not in str(refused.value)
    inspected(clean()).require_sense()


def test_nothing_is_prepared_after_an_error(tmp_path: Path) -> None:
    called = []
    broken = [{**document, "data_labels": FORGET} for document in clean()]
    inspect(dataset(broken), lambda: called.append(1), groups=["forget"], use=USE)  # type: ignore[arg-type]
    assert called == []


def test_what_was_found_explains_why_data_cannot_be_prepared(tmp_path: Path) -> None:
    rows = [*clean(), {"text": "Short.", "domain": "News", "split": "train"}]
    given = spec(tmp_path, rows)
    with pytest.raises(
        GradmaskError, match=r"(?s)'News' has too little.*show:\n  warning: domains that differ only in case"
    ):
        inspect(given, lambda: prepare(given, tmp_path / "data"), use=USE)


def test_labels_that_sources_give(tmp_path: Path) -> None:
    """Also where parts of held-out documents have labels of their own, and are documents then."""
    rows = [
        {"text": d["text"], "split": d["split"], "label": {1: "forget", 0: "retain"}.get(d["data_labels"])}
        for d in clean()
    ]
    rows += [
        {**rows[0], "label": "forget"},
        {"text": sentence(random.Random(2)), "split": "test", "spans": [[0, 20, "forget"]]},
    ]
    source = SourceSpec(kind="jsonl", path=write(tmp_path / "x.jsonl", rows), label_field="label", spans_field="spans")
    given = DataSpec(sources=[source], labels=LabelSpec(), sequence_length=32)
    found = inspect(given, use=USE)
    assert [finding.name for finding in found.findings] == ["contradictions"]
    assert list(found.findings[0].examples) == [
        f"forget at {tmp_path}/x.jsonl, line 141 but retain at {tmp_path}/x.jsonl, line 1"
    ]
    labeled = label_documents(load_documents(given.sources), given)
    assert inspect(labeled, groups=["forget"], use=USE).to_dict() == found.to_dict()


def test_what_was_found_explains_why_documents_cannot_be_labeled(tmp_path: Path) -> None:
    rows = [*clean(), {"text": "Short.", "domain": "Medicine", "split": "train"}]
    with pytest.raises(
        GradmaskError, match=r"(?s)written almost as 'medicine'.*show:\n  warning: domains that differ only in case"
    ):
        inspect(spec(tmp_path, rows), use=USE)


def test_documents_need_nothing_but_text() -> None:
    found = inspect(dataset([{"text": document["text"]} for document in clean()]), use=USE)
    assert found.findings == []
    assert [(part.domain, part.label, part.documents) for part in found.parts] == [("all", "unlabeled", 140)]
