from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict

import gradmask as gm
from gradmask.data.sources import load_documents
from gradmask.data.spec import SourceSpec

ROWS = [{"text": f"text {i}", "domain": "ab"[i % 2], "split": "test" if i % 5 == 0 else "train"} for i in range(20)]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    raw = "".join(json.dumps(row) + "\n" for row in rows).encode()
    opener: Any = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix, open)
    with opener(path, "wb") as file:
        file.write(raw)
    return str(path)


def load(**fields: Any) -> list[dict[str, Any]]:
    return load_documents([SourceSpec(**fields)], test_share=0.3).to_list()


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.xz", "x.jsonl.gz"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    assert load(kind="jsonl", path=write(tmp_path / name, ROWS)) == ROWS


def test_parquet_and_datasets_give_the_same(tmp_path: Path) -> None:
    data = Dataset.from_list(ROWS)
    data.to_parquet(tmp_path / "x.parquet")
    data.save_to_disk(tmp_path / "saved")
    assert load(kind="parquet", path=str(tmp_path / "x.parquet")) == ROWS
    assert load(kind="datasets", path=str(tmp_path / "saved")) == ROWS


def test_the_splits_of_a_dataset_are_kept(tmp_path: Path) -> None:
    plain = [{k: v for k, v in row.items() if k != "split"} for row in ROWS]
    DatasetDict(train=Dataset.from_list(plain[:15]), validation=Dataset.from_list(plain[15:])).save_to_disk(
        tmp_path / "d"
    )
    assert [row["split"] for row in load(kind="datasets", path=str(tmp_path / "d"))] == ["train"] * 15 + ["test"] * 5


def test_a_pattern_takes_files_of_all_folders_and_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep" / "b.jsonl", ROWS[10:])
    write(tmp_path / "a.jsonl", ROWS[:10])
    marked = tmp_path / "a.jsonl"
    marked.write_bytes(b"\xef\xbb\xbf" + marked.read_bytes())
    assert load(kind="jsonl", path=str(tmp_path / "**" / "*.jsonl")) == ROWS


def test_the_fields_of_parquet_are_named(tmp_path: Path) -> None:
    Dataset.from_list([{**row, "more": 1} for row in ROWS]).to_parquet(tmp_path / "x.parquet")
    assert load(kind="parquet", path=str(tmp_path / "x.parquet")) == ROWS
    with pytest.raises(gm.GradmaskError, match="row 1: no field 'body'. Fields: text, domain, split, more"):
        load(kind="parquet", path=str(tmp_path / "x.parquet"), text_field="body")


def test_plain_text_is_cut_at_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("\n\n".join(f"one {i}\ntwo {i}" for i in range(40)) + "\n")
    rows = load(kind="text", path=str(tmp_path / "x.txt"), domain="prose")
    assert len(rows) == 40
    assert rows[3]["text"] == "one 3\ntwo 3"
    assert {row["domain"] for row in rows} == {"prose"}
    assert 3 < sum(row["split"] == "test" for row in rows) < 25


def test_a_document_is_held_out_by_its_own_text(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "domain": "a"} for i in range(50)]
    split = {row["text"]: row["split"] for row in load(kind="jsonl", path=write(tmp_path / "x.jsonl", rows))}
    fewer = load(kind="jsonl", path=write(tmp_path / "y.jsonl", rows[::-1][:25]))
    assert all(split[row["text"]] == row["split"] for row in fewer)


def test_limits_count_per_domain_and_split(tmp_path: Path) -> None:
    rows = load(kind="jsonl", path=write(tmp_path / "x.jsonl", ROWS), documents=2)
    assert len(rows) == 8
    stories = load(kind="stories", megabytes=0.02, megabytes_test=0.01)
    size = {
        key: sum(len(r["text"].encode()) for r in stories if (r["domain"], r["split"]) == key)
        for key in [("en", "train"), ("es", "test")]
    }
    assert 20_000 <= size["en", "train"] < 25_000
    assert 10_000 <= size["es", "test"] < 15_000
    assert not {r["text"] for r in stories if r["split"] == "train"} & {
        r["text"] for r in stories if r["split"] == "test"
    }


def broken(tmp_path: Path, name: str, content: bytes) -> dict[str, Any]:
    (tmp_path / name).write_bytes(content)
    return {"kind": "jsonl", "path": str(tmp_path / name)}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", b"", r"x\.jsonl is empty: take it out of data.sources"),
        ("x.jsonl", b"\n \n", r"x\.jsonl holds no text"),
        ("x.jsonl", b'{"text": null, "domain": "b"}\n', "line 1: field 'text' is null"),
        ("x.jsonl", b'{"text": "a", "domain": "b"}\n{"text": \n', r"x\.jsonl, line 2: not valid JSON"),
        ("x.jsonl", b"[1]\n", "line 1: needs a JSON object, got list"),
        (
            "x.jsonl",
            b'{"txt": "a", "domain": "b"}\n',
            "line 1: no field 'text'. Did you mean 'txt'. Fields: txt, domain",
        ),
        ("x.jsonl", b'{"text": 3, "domain": "b"}\n', "field 'text' must be text, got int"),
        ("x.jsonl", b'{"text": "a", "domain": "b", "split": "dev"}\n', "split must be 'train' or 'test', got 'dev'"),
        ("x.jsonl", '{"text": "ñ"}\n'.encode("latin-1"), "line 1: not UTF-8"),
        ("x.jsonl.xz", lzma.compress(b'{"text": "a", "domain": "b"}\n' * 9999)[:-40], "damaged or cut off"),
        ("x.jsonl.gz", gzip.compress(b'{"text": "a", "domain": "b"}\n')[:-9], "damaged or cut off"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(gm.GradmaskError, match=message.replace("?.", r"\?.")):
        load(**broken(tmp_path, name, content))


def test_other_mistakes(tmp_path: Path) -> None:
    with pytest.raises(gm.GradmaskError, match=r"there is no file .*nowhere\.jsonl .*relative paths start at /"):
        load(kind="jsonl", path=str(tmp_path / "nowhere.jsonl"))
    with pytest.raises(gm.GradmaskError, match=r"is a folder: give a file, or a pattern such as .*/\*\.jsonl"):
        load(kind="jsonl", path=str(tmp_path))
    with pytest.raises(gm.GradmaskError, match="the dataset .*nothing.* cannot be opened"):
        load(kind="datasets", path=str(tmp_path / "nothing"))
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(gm.GradmaskError, match="not a whole Parquet file"):
        load(kind="parquet", path=str(tmp_path / "x.parquet"))
    with pytest.raises(gm.GradmaskError, match="no document of the split 'test'"):
        load(kind="jsonl", path=write(tmp_path / "x.jsonl", [{**row, "split": "train"} for row in ROWS]))
    with pytest.raises(ValueError, match="plain text has no fields: give its domain"):
        SourceSpec(kind="text", path="x.txt")
