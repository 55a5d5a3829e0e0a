from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from tests.data.corpus import ROWS, write

import gradmask as gm
from gradmask.data.reading import read
from gradmask.data.spec import SourceSpec


def rows_of(**fields: Any) -> list[dict[str, Any]]:
    return [{"text": d.text, "domain": d.domain, "split": d.split} for d in read(SourceSpec(**fields))]


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.xz", "x.jsonl.gz"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    assert rows_of(kind="jsonl", path=write(tmp_path / name)) == ROWS


def test_parquet_and_datasets_give_the_same(tmp_path: Path) -> None:
    data = Dataset.from_list([{**row, "more": i} for i, row in enumerate(ROWS)])
    data.to_parquet(tmp_path / "x.parquet")
    data.save_to_disk(tmp_path / "saved")
    assert rows_of(kind="parquet", path=str(tmp_path / "x.parquet")) == ROWS
    assert rows_of(kind="datasets", path=str(tmp_path / "saved")) == ROWS


def test_the_splits_of_a_dataset_are_kept(tmp_path: Path) -> None:
    plain = [{key: value for key, value in row.items() if key != "split"} for row in ROWS]
    parts = DatasetDict(train=Dataset.from_list(plain[:15]), validation=Dataset.from_list(plain[15:]))
    parts.save_to_disk(tmp_path / "d")
    rows = rows_of(kind="datasets", path=str(tmp_path / "d"))
    assert [row["split"] for row in rows] == ["train"] * 15 + ["test"] * 5
    assert {row["split"] for row in rows_of(kind="datasets", path=str(tmp_path / "d"), split_field=None)} == {None}


def test_class_labels_are_domains_by_name(tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["law", "chess"])})
    Dataset.from_dict({"text": ["x", "y"], "label": [1, 0]}, features=features).save_to_disk(tmp_path / "d")
    rows = rows_of(kind="datasets", path=str(tmp_path / "d"), domain_field="label")
    assert [row["domain"] for row in rows] == ["chess", "law"]


def test_numbers_may_name_domains_and_one_domain_may_be_given(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [{"body": "x", "topic": 7}])
    assert rows_of(kind="jsonl", path=path, text_field="body", domain_field="topic")[0]["domain"] == "7"
    assert rows_of(kind="jsonl", path=path, text_field="body", domain="all")[0]["domain"] == "all"


def test_a_pattern_takes_files_of_all_folders_and_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep" / "b.jsonl", ROWS[10:])
    write(tmp_path / "a.jsonl", ROWS[:10])
    marked = tmp_path / "a.jsonl"
    marked.write_bytes(b"\xef\xbb\xbf" + marked.read_bytes())
    assert rows_of(kind="jsonl", path=str(tmp_path / "**" / "*.jsonl")) == ROWS


def test_a_file_whose_name_looks_like_a_pattern_is_found(tmp_path: Path) -> None:
    assert rows_of(kind="jsonl", path=write(tmp_path / "x[1].jsonl")) == ROWS


def test_plain_text_is_cut_at_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("\n \n\n".join(f"one {i}\ntwo {i}" for i in range(40)) + "\n")
    rows = rows_of(kind="text", path=str(tmp_path / "x.txt"), domain="prose")
    assert [row["text"] for row in rows] == [f"one {i}\ntwo {i}" for i in range(40)]
    assert {(row["domain"], row["split"]) for row in rows} == {("prose", None)}


def test_blank_texts_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [*ROWS, {**ROWS[0], "text": " \n"}])
    assert rows_of(kind="jsonl", path=path) == ROWS


def test_a_named_split_field_must_be_there_but_the_usual_one_need_not(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [{"text": "x", "domain": "a", "part": "test"}])
    assert rows_of(kind="jsonl", path=path)[0]["split"] is None
    assert rows_of(kind="jsonl", path=path, split_field="part")[0]["split"] == "test"
    with pytest.raises(gm.GradmaskError, match="line 1: no field 'prat'. Did you mean 'part'"):
        rows_of(kind="jsonl", path=path, split_field="prat")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", b"", r"x\.jsonl is empty: remove it from data.sources"),
        ("x.jsonl", b"\n \n", r"x\.jsonl has no text"),
        ("x.jsonl", b'{"text": null, "domain": "b"}\n', "line 1: field 'text' is null"),
        ("x.jsonl", b'{"text": "a", "domain": "b"}\n{"text": \n', r"x\.jsonl, line 2: not valid JSON"),
        ("x.jsonl", b"1\n", "line 1: needs a JSON object, got int"),
        ("x.jsonl", b'{"a":' * 100_000, "line 1: JSON that cannot be parsed"),
        ("x.jsonl", b'{"n": ' + b"9" * 5000 + b"}", "line 1: JSON that cannot be parsed"),
        ("x.jsonl", b'{"text": "\\ud800", "domain": "b"}', r"line 1: not valid Unicode \(surrogates not allowed\)"),
        ("x.jsonl", b'{"text": "a", "domain": "\\udfff"}', "line 1: not valid Unicode"),
        (
            "x.jsonl",
            b'{"txt": "a", "domain": "b"}\n',
            "line 1: no field 'text'. Did you mean 'txt'. Fields: txt, domain",
        ),
        ("x.jsonl", b'{"text": 3, "domain": "b"}\n', "field 'text' must be text, got int"),
        ("x.jsonl", b'{"text": "a", "domain": ["b"]}\n', r"field 'domain' must name a domain, got \['b'\]"),
        ("x.jsonl", b'{"text": "a", "domain": true}\n', "field 'domain' must name a domain, got True"),
        ("x.jsonl", b'{"text": "a", "domain": ""}\n', "field 'domain' must name a domain, got ''"),
        ("x.jsonl", b'{"text": "a", "domain": "b", "split": "dev"}\n', "must be 'train' or 'test', got 'dev'"),
        ("x.jsonl", b'{"text": "a", "domain": "b", "split": []}\n', r"must be 'train' or 'test', got \[\]"),
        ("x.jsonl", '{"text": "ñ"}\n'.encode("latin-1"), "line 1: not valid UTF-8"),
        (
            "x.jsonl.xz",
            lzma.compress(b'{"text": "a", "domain": "b"}\n' * 9999)[:-40],
            "damaged or truncated after line",
        ),
        ("x.jsonl.gz", gzip.compress(b'{"text": "a", "domain": "b"}\n', mtime=0)[:-9], "damaged or truncated"),
        ("x.jsonl.gz", gzip.compress(b"", mtime=0)[:10] + b"\xff" * 40, "damaged or truncated after line 0"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(gm.GradmaskError, match=message.replace("?.", r"\?.").replace("'. D", r"'\. D")) as error:
        rows_of(kind="jsonl", path=str(tmp_path / name))
    assert str(tmp_path / name) in str(error.value)


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes("good\n\nseñor\n".encode("latin-1"))
    with pytest.raises(gm.GradmaskError, match=r"x\.txt, line 3: not valid UTF-8"):
        rows_of(kind="text", path=str(tmp_path / "x.txt"), domain="prose")


def test_broken_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    Dataset.from_list(ROWS).to_parquet(path)
    with pytest.raises(gm.GradmaskError, match=r"x\.parquet: no field 'body'\. Fields: text, domain, split"):
        rows_of(kind="parquet", path=str(path), text_field="body")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(gm.GradmaskError, match=r"x\.parquet is damaged or not a Parquet file, after row 0"):
        rows_of(kind="parquet", path=str(path))
    path.write_bytes(b"PAR1 no")
    with pytest.raises(gm.GradmaskError, match=r"x\.parquet is damaged or not a Parquet file"):
        rows_of(kind="parquet", path=str(path))


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    write(tmp_path / "news.jsonl")
    with pytest.raises(
        gm.GradmaskError,
        match=r"there is no file .*new\.jsonl .*Did you mean 'news\.jsonl'\? Relative paths are resolved from /",
    ):
        rows_of(kind="jsonl", path=str(tmp_path / "new.jsonl"))
    with pytest.raises(
        gm.GradmaskError, match=r"the folder .* has no file of kind parquet: give one with parquet files"
    ):
        rows_of(kind="parquet", path=str(tmp_path))
    with pytest.raises(gm.GradmaskError, match="the dataset .*nothing.* cannot be opened: "):
        rows_of(kind="datasets", path=str(tmp_path / "nothing"))
    Dataset.from_list(ROWS).save_to_disk(tmp_path / "d")
    with pytest.raises(
        gm.GradmaskError, match=r"d/train: no field 'txt'\. Did you mean 'text'\? Fields: text, domain, split"
    ):
        rows_of(kind="datasets", path=str(tmp_path / "d"), text_field="txt")
    (tmp_path / "d" / "state.json").write_text("{")
    with pytest.raises(gm.GradmaskError, match="the dataset .* cannot be opened"):
        rows_of(kind="datasets", path=str(tmp_path / "d"))


def test_stories_have_an_end_where_the_recipe_sets_one() -> None:
    few = rows_of(kind="stories", documents=3)
    assert [(row["domain"], row["split"]) for row in few] == [
        (language, split) for language in ("en", "es") for split in ("train", "test") for _ in range(3)
    ]
    assert len({row["text"] for row in few}) == 12
    for megabytes, test, sizes in ((0.02, 0.01, (20_000, 10_000)), (0.05, None, (50_000, 10_000))):
        rows = rows_of(kind="stories", languages=["es"], megabytes=megabytes, megabytes_test=test)
        for split, size in zip(("train", "test"), sizes, strict=True):
            assert size <= sum(len(row["text"].encode()) for row in rows if row["split"] == split) < size + 5_000
