"""What a row says about its document, as it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tests.data.corpus import write

from gradmask.data.sources import load_documents
from gradmask.data.spec import SourceSpec
from gradmask.errors import GradmaskError

FIELDS = {
    "label_field": "label",
    "score_field": {"drugs": "p_drugs"},
    "spans_field": "spans",
    "truth_field": "truth",
}
ROW = {
    "text": "one two three",
    "domain": "web",
    "split": "train",
    "label": "drugs",
    "p_drugs": 0.9,
    "spans": [{"start": 0, "end": 3, "label": "drugs"}, {"start": 4, "end": 7, "label": "retain"}],
    "truth": "retain",
    "id": "a1",
}
BARE = {"text": "four", "domain": "web", "split": "test", "label": "", "p_drugs": None, "spans": None, "truth": None}
NAMES = ("label", "scores", "spans", "truth")


def load(path: Path, rows: list[dict[str, Any]], **fields: Any) -> list[dict[str, Any]]:
    source = SourceSpec(kind="jsonl", path=write(path / "x.jsonl", rows), **{**FIELDS, **fields})
    return load_documents([source]).to_list()


def test_labels_scores_spans_and_the_truth_are_columns_and_null_where_nothing_is_given(tmp_path: Path) -> None:
    full, bare = load(tmp_path, [ROW, BARE])
    assert [full[name] for name in NAMES] == [
        "drugs",
        [{"group": "drugs", "score": 0.9}],
        ROW["spans"],
        "retain",
    ]
    assert [bare[name] for name in NAMES] == [None, [], None, None]
    assert (full["id"], bare["id"]) == ("a1", f"{tmp_path / 'x.jsonl'}, line 2")


def test_parquet_gives_the_same_as_json_lines(tmp_path: Path) -> None:
    rows = [{**ROW, "id": "a1"}, {**BARE, "id": "a2"}]
    Dataset.from_list(rows).to_parquet(tmp_path / "x.parquet")
    from_parquet = load_documents([SourceSpec(kind="parquet", path=str(tmp_path / "x.parquet"), **FIELDS)])
    assert from_parquet.to_list() == load(tmp_path, rows)


def test_no_source_of_labels_gives_nulls(tmp_path: Path) -> None:
    nothing: dict[str, Any] = dict.fromkeys(FIELDS)
    assert {load(tmp_path, [ROW, BARE], **nothing)[0][name] for name in NAMES} == {None}


def test_one_score_is_of_the_only_group_and_may_be_text(tmp_path: Path) -> None:
    rows = load(tmp_path, [{**ROW, "p_drugs": "0.25"}, BARE], score_field="p_drugs")
    assert rows[0]["scores"] == [{"group": "", "score": 0.25}]


def test_numbers_and_lists_of_one_are_names(tmp_path: Path) -> None:
    rows = load(tmp_path, [{**ROW, "label": 7, "truth": ["x"]}, {**BARE, "label": []}])
    assert [(row["label"], row["truth"]) for row in rows] == [("7", "x"), (None, None)]
    rows = load(tmp_path, [{**ROW, "label": True, "truth": 1.0}, {**BARE, "label": False, "truth": float("nan")}])
    assert [(row["label"], row["truth"]) for row in rows] == [("true", "1"), ("false", None)]


def test_spans_may_be_lists(tmp_path: Path) -> None:
    rows = load(tmp_path, [{**ROW, "spans": [[0, 3, "drugs"], [4, 7, None]]}, BARE])
    assert rows[0]["spans"] == [
        {"start": 0, "end": 3, "label": "drugs"},
        {"start": 4, "end": 7, "label": "unlabeled"},
    ]


def test_without_a_domain_it_is_the_label_and_never_the_truth(tmp_path: Path) -> None:
    rows = [{**ROW}, {**ROW, "truth": None}, {**ROW, "truth": None, "label": None}, BARE]
    for row in rows:
        row.pop("domain", None)
    rows[3] = {**BARE, "domain": "web"}
    assert [row["domain"] for row in load(tmp_path, rows)] == ["drugs", "drugs", "unlabeled", "web"]
    assert [row["domain"] for row in load(tmp_path, rows, domain_field=None)][3] == "unlabeled"
    with pytest.raises(GradmaskError, match="line 1: no field 'domian'"):
        load(tmp_path, rows, domain_field="domian")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": ["drugs", "arms"]}, "line 1: field 'label' gives 2 names"),
        ({"label": 0.5}, "line 1: field 'label' must be the name of a label, got 0.5"),
        ({"truth": {"a": 1}}, "line 1: field 'truth' must be the name of a label"),
        ({"p_drugs": "high"}, "line 1: field 'p_drugs' must be a score, a finite number, got 'high'"),
        ({"p_drugs": float("nan")}, "must be a score, a finite number, got nan"),
        ({"p_drugs": True}, "must be a score, a finite number, got True"),
        ({"p_drugs": [0.5]}, "must be a score, a finite number"),
        ({"spans": "0-3"}, "line 1: field 'spans' must be a list of spans"),
        ({"spans": [[0, 3]]}, r"span 0 must be \[start, end, label\]"),
        ({"spans": [[0, 99, "drugs"]]}, r"span 0 is from 0 to 99, needed: characters of the text, .* end <= 13"),
        ({"spans": [[5, 5, "drugs"]]}, "span 0 is from 5 to 5"),
        ({"spans": [[0.0, 5, "drugs"]]}, "span 0 is from 0.0 to 5"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(GradmaskError, match=message):
        load(tmp_path, [{**ROW, **change}, BARE])


def test_a_field_that_no_document_has_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match=r"x\.jsonl: no document has the field 'lable'\. Did you mean 'label'"):
        load(tmp_path, [ROW, BARE], label_field="lable")


def test_sources_without_fields_have_no_labels_and_a_document_needs_some_name() -> None:
    with pytest.raises(ValueError, match="'text' has no fields: remove label"):
        SourceSpec(kind="text", path="x", domain="a", label_field="label")
    with pytest.raises(ValueError, match="need a domain or a label: set domain, domain_field or label_field"):
        SourceSpec(kind="jsonl", path="x", domain_field=None)
