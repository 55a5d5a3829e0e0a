from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from tests.data.corpus import ROWS, write

import gradmask as gm
from gradmask.data.reading import Document, SourceCounts, read
from gradmask.data.spec import SourceSpec

LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
TABLE = ("text,domain,split\n" + "".join(f"{r['text']},{r['domain']},{r['split']}\n" for r in ROWS)).encode()
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


def documents(path: Path | str, counts: SourceCounts | None = None, **fields: Any) -> list[Document]:
    return list(read(SourceSpec(path=str(path), **fields), counts=counts))


def rows_of(path: Path | str, **fields: Any) -> list[dict[str, Any]]:
    return [{"text": d.text, "domain": d.domain, "split": d.split} for d in documents(path, **fields)]


def counted(path: Path | str, **fields: Any) -> SourceCounts:
    """What was read, whose sums must be right."""
    counts = SourceCounts("x")
    assert len(documents(path, counts, **fields)) == counts.documents
    assert counts.rows == counts.documents + sum(counts.skipped.values())
    return counts


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize(
    ("name", "content"),
    [("x.jsonl", LINES), ("x.csv", TABLE), ("x.json", b"[" + LINES.strip().replace(b"\n", b",") + b"]")],
)
def test_compressed_files_are_read_whatever_their_name_says(
    tmp_path: Path, name: str, content: bytes, suffix: str
) -> None:
    packed = PACKED[suffix](content)
    for path in (tmp_path / f"{name}.{suffix}", tmp_path / name, tmp_path / f"{name}.gz"):
        path.write_bytes(packed)
        assert rows_of(path) == ROWS
    twice = tmp_path / f"twice.jsonl.{suffix}"
    twice.write_bytes(PACKED[suffix](LINES) + PACKED[suffix](LINES))
    assert rows_of(twice) == ROWS + ROWS
    twice.write_bytes(PACKED[suffix](LINES * 999)[:-6])
    with pytest.raises(gm.GradmaskError, match="twice.*is damaged or truncated after line "):
        rows_of(twice)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_tables_may_have_quotes_line_ends_and_other_delimiters(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "x.csv"
    cells = ["domain", "text", "n"], ["a", '"one, ""two""\r\nthree; four"', "1"], [" b", '"\t|x"', ""]
    path.write_bytes("\r\n".join(delimiter.join(row) for row in cells).encode("utf-8-sig"))
    assert [(d.text, d.domain) for d in documents(path)] == [('one, "two"\r\nthree; four', "a"), ("\t|x", " b")]
    assert [d.id for d in documents(path)] == [f"{path}, line 2", f"{path}, line 4"]


def test_a_field_of_a_table_may_be_huge_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("text\tdomain\n" + "x" * 1_000_000 + "\ta\nshort\tb\n")
    assert [len(d.text) for d in documents(path)] == [1_000_000, 5]
    assert counted(path, longest_document=0.5).skipped == {"longer than longest_document": 1}
    path.write_text('text\tdomain\n"' + "x \n" * 200_000 + "\ta\n")
    with pytest.raises(
        gm.GradmaskError, match=r"line 2: a row of more than longest_document \(0.1 MB\): is a quote not closed"
    ):
        documents(path, longest_document=0.1)
    with pytest.raises(
        gm.GradmaskError, match=r"line 2: not a row of a table \(unexpected end of data\): is a quote missing"
    ):
        documents(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,text\na,b\n", "two columns have one name: text, text"),
        ("text,domain\na,b,c\n", "line 2: 3 fields, but the header names 2: is a quote missing"),
        ("text,domain\na\n", "line 2: 1 fields, but the header names 2"),
        ("body,domain\na,b\n", "line 2: no field 'text'.*Fields: body, domain"),
        ('{"text": 1}\n', "is JSON lines, not a table: write kind: jsonl"),
        ('[{"text": 1}]\n', "is a JSON array, not a table: write kind: json"),
    ],
)
def test_a_broken_table_is_named_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(gm.GradmaskError, match=message):
        documents(tmp_path / "x.csv")


@pytest.mark.parametrize("array", ["[{}]", " \n[\n{}\n]\n\n", "{}"])
def test_json_files_are_arrays_or_objects_one_after_the_other(tmp_path: Path, array: str) -> None:
    between = ",\n" if "[" in array else "\n"
    (tmp_path / "x.json").write_text(array.replace("{}", between.join(json.dumps(row, indent=1) for row in ROWS)))
    assert rows_of(tmp_path / "x.json") == ROWS


def test_a_json_array_is_read_piece_by_piece(tmp_path: Path) -> None:
    rows = [{"text": f"{i} " + 'é[{"\\' * 9_999, "domain": "a"} for i in range(60)]
    (tmp_path / "x.json").write_text(json.dumps(rows, ensure_ascii=False))
    assert [d.text for d in documents(tmp_path / "x.json")] == [row["text"] for row in rows]
    (tmp_path / "x.json").write_text(json.dumps([{"text": "x" * 3_000_000, "domain": "a"}]))
    with pytest.raises(
        gm.GradmaskError, match=r"item 1: longer than longest_document \(0.01 MB\).*convert the file to JSON lines"
    ):
        documents(tmp_path / "x.json", longest_document=0.01)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "has no text"),
        ("[1]", "item 1: needs a JSON object, got int"),
        ('[{"text": "a", "domain": "b"}, {"text": ]', "item 2: not valid JSON"),
        ('[{"text": "a", "domain": "b"}', "item 2: the array has no end: is the file truncated"),
        ('[{"text": "a", "domain": "b"} {}]', "item 2: needs ',' or ']' after an object"),
        ('[{"text": "a", "domain": "b"}] x', "item 2: more text after the array"),
        ('[{"text": "a', "item 1: not valid JSON"),
        ('{"data": [{"text": "a"}]}', "item 1: no field 'text'.*Fields: data"),
    ],
)
def test_broken_json_is_named_with_its_item(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(gm.GradmaskError, match=message):
        documents(tmp_path / "x.json")


def test_a_file_of_a_folder_is_a_document(tmp_path: Path) -> None:
    for name in ("es/1.txt", "es/deep/2", "en/3.txt", ".hidden/4.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(f"{name}\r\n\r\nmore\n".encode())
    (tmp_path / "en" / "blank.txt").touch()
    rows = [(d.text, d.domain, d.id) for d in documents(tmp_path)]
    assert rows == [(f"{n}\n\nmore", n[:2], str(tmp_path / n)) for n in ("en/3.txt", "es/1.txt", "es/deep/2")]
    assert counted(tmp_path, kind="folder").skipped == {"blank text": 1}
    assert {d.domain for d in documents(tmp_path, domain="all")} == {"all"}
    assert len(documents(tmp_path, kind="folder", pattern="*/*.txt")) == 2
    (tmp_path / "loose.txt").write_text("x")
    with pytest.raises(gm.GradmaskError, match="loose.txt is in no folder below .*: set domain, or move it"):
        documents(tmp_path)


def test_a_folder_stands_for_its_files_and_a_list_for_several(tmp_path: Path) -> None:
    (tmp_path / "all" / "deep").mkdir(parents=True)
    write(tmp_path / "all" / "deep" / "b.jsonl.gz", ROWS[10:])
    write(tmp_path / "all" / "a.jsonl", ROWS[:10])
    assert rows_of(tmp_path / "all") == rows_of(tmp_path / "all", kind="jsonl") == ROWS
    other = write(tmp_path / "c.jsonl", ROWS[:3])
    found = list(read(SourceSpec(path=[str(tmp_path / "all" / "*.jsonl"), other], split="test")))
    assert [d.text for d in found] == [row["text"] for row in [*ROWS[:10], *ROWS[:3]]]
    assert {d.split for d in found} == {"test"}
    with pytest.raises(gm.GradmaskError, match="the folder .*all has no file of kind csv: give one with csv files"):
        rows_of(tmp_path / "all", kind="csv")


def test_fields_inside_of_others_are_named_with_a_dot(tmp_path: Path) -> None:
    rows = [
        {"doc": {"body": "one"}, "meta": {"set": "Code", "part.of": "test"}},
        {"doc": {"body": "two"}, "meta": {"set": "Law", "part.of": "train"}},
    ]
    fields: dict[str, Any] = {"text_field": "doc.body", "domain_field": "meta.set", "split_field": "meta.part.of"}
    Dataset.from_list(rows).to_parquet(tmp_path / "x.parquet")
    Dataset.from_list(rows).save_to_disk(tmp_path / "saved")
    write(tmp_path / "x.jsonl", rows)
    for name in ("x.parquet", "saved", "x.jsonl"):
        found = rows_of(tmp_path / name, **fields)
        assert found == [
            {"text": "one", "domain": "Code", "split": "test"},
            {"text": "two", "domain": "Law", "split": "train"},
        ]
        with pytest.raises(
            gm.GradmaskError, match=r"no field 'meta.sett'. Did you mean 'meta.set'\? Fields: doc.body, meta.set"
        ):
            rows_of(tmp_path / name, **fields | {"domain_field": "meta.sett"})
    write(tmp_path / "dots.jsonl", [{"text": "x", "a.b": "literal", "a": {"b": "inner"}}])
    assert documents(tmp_path / "dots.jsonl", domain_field="a.b")[0].domain == "literal"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-32", "cp1251", "utf-8-sig"])
def test_files_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    text = "señor" if encoding == "latin-1" else "мир, труд"
    path = tmp_path / "x.txt"
    for end in ("\n", "\r\n"):
        path.write_bytes(f"{text} 1{end}{text}{end}{end}{text} 2{end}".encode(encoding))
        found = documents(path, domain="a", encoding=encoding)
        assert [d.text for d in found] == [f"{text} 1\n{text}", f"{text} 2"]
        if encoding in ("utf-16", "utf-32", "utf-8-sig"):
            assert documents(path, domain="a") == found, "a byte order mark says the encoding"


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ("Der Bär läuft über die Straße.".encode("latin-1"), "write encoding: latin-1"),
        ("It’s a “quoted” text, for once.".encode("cp1252"), "write encoding: cp1252"),
        ("Мир, труд и май.".encode("cp1251"), r"such as cp1251 or koi8-r \(Cyrillic\)"),
        ("plain".encode("utf-16-le"), "write encoding: utf-16-le"),
        ("plain".encode("utf-16-be"), "write encoding: utf-16-be"),
        (
            "señor, año y niño\n".encode() * 3 + b"ni\xf1o",
            "line 4.*this line is damaged: repair it, or write bad_rows: skip",
        ),
    ],
)
def test_the_likely_encoding_is_named(tmp_path: Path, content: bytes, advice: str) -> None:
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(gm.GradmaskError, match=advice):
        documents(tmp_path / "x.txt", domain="a")


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("jsonl", b"PAR1....", "is a Parquet file: write kind: parquet"),
        ("jsonl", b"PK\x03\x04....", "is a zip archive"),
        ("jsonl", b"\x80\x04\x95\x00", "is a Python pickle, which may run code"),
        ("text", b"\x80\x04\x95\x00", "is a Python pickle, which may run code"),
        ("jsonl", b"<!DOCTYPE html>\n<html>", "is an HTML page, perhaps an error page"),
        ("csv", b"  <html lang='en'>", "is an HTML page, perhaps an error page"),
        ("jsonl", b'\n [{"text": "a"}]', "is a JSON array, not JSON lines: write kind: json"),
        ("jsonl", b"text,domain\na,b\n", "line 1: not valid JSON .* header of a table: write kind: csv"),
        ("jsonl", b"Once upon a time\n", "line 1: not valid JSON .* plain text: write kind: text"),
        ("jsonl", b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        ("jsonl", b"x" * 257 + b"ustar\0", "is a tar archive"),
        ("parquet", b'{"text": "a"}\n', r"is JSON: write kind: jsonl \(given as kind: parquet\)"),
        ("parquet", gzip.compress(b"PAR1", mtime=0), "is compressed as a whole, but Parquet compresses itself"),
        ("parquet", b"PK\x03\x04....", "is a zip archive"),
    ],
)
def test_a_file_of_another_kind_is_told_what_it_is(tmp_path: Path, kind: Any, content: bytes, message: str) -> None:
    for data in (content, PACKED["zst"](content)) if kind != "parquet" else (content,):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(gm.GradmaskError, match=message):
            documents(tmp_path / "x", kind=kind, domain="a")


GOOD = b'{"text": "good", "domain": "a"}\n'
BAD = {
    b"\r\n": "blank row",
    b'{"text": " \\n", "domain": "a"}\n': "blank text",
    b'{"text": "ni\xf1o", "domain": "a"}\n': "not valid Unicode",
    b'{"text": "\\udfff", "domain": "a"}\n': "not valid Unicode",
    b'{"text": "a\\u0000b", "domain": "a"}\n': "NUL characters",
    b"\0\0\0\0\n": "NUL characters",
    b'{"text": \n': "not valid JSON",
    b"[1]\n": "not valid JSON",
    b'{"domain": "a"}\n': "missing or wrong field",
    b'{"text": null, "domain": "a"}\n': "missing or wrong field",
    b'{"text": "a", "domain": "a", "split": "dev"}\n': "missing or wrong field",
    b'{"text": "' + b"x" * 20_000 + b'", "domain": "a"}\n': "longer than longest_document",
    b'{"text": "' + b"x" * 60_000 + b'", "domain": "a"}\n': "longer than longest_document",
}


@pytest.mark.parametrize(("bad", "reason"), BAD.items(), ids=range(len(BAD)))
def test_rows_that_cannot_be_used_are_errors_or_counted(tmp_path: Path, bad: bytes, reason: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(GOOD + bad + GOOD + bad)
    counts = counted(path, bad_rows="skip", longest_document=0.02)
    assert (counts.rows, counts.documents, counts.skipped) == (4, 2, {reason: 2})
    if reason in ("blank row", "blank text", "longer than longest_document"):
        assert counted(path, longest_document=0.02) == counts, "never an error"
    else:
        with pytest.raises(gm.GradmaskError, match="line 2: "):
            documents(path)


def test_all_kinds_of_bad_rows_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(GOOD.join(BAD))
    counts = counted(path, bad_rows="skip", longest_document=0.02)
    assert counts.documents == len(BAD) - 1
    assert counts.rows == 2 * len(BAD) - 1
    assert f"{len(BAD) - 1} documents of {2 * len(BAD) - 1} rows, skipped 4 missing" not in caplog.text
    assert "2 not valid Unicode" in caplog.text


def test_a_bad_line_inside_of_a_row_of_a_table_takes_the_row_with_it(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b'text,domain\none,a\nni\xf1o,a\n"two\nni\xf1o\nthree",a\n\nfour,a\nx\n')
    counts = SourceCounts("x")
    assert [d.text for d in documents(path, counts, bad_rows="skip")] == ["one", "four"]
    assert counts.skipped == {"not valid Unicode": 2, "blank row": 1, "other number of columns than the header": 1}
    assert counts.rows == 6


def test_empty_files_are_counted_where_bad_rows_are(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    write(tmp_path / "x.jsonl")
    assert counted(tmp_path, bad_rows="skip").skipped == {"empty file": 1}
    with pytest.raises(gm.GradmaskError, match=r"empty\.jsonl is empty: remove it"):
        documents(tmp_path)


def test_a_line_of_50_megabytes_is_skipped_without_holding_it(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with path.open("wb") as file:
        file.write(GOOD + b'{"domain": "a", "text": "')
        for _ in range(50):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + GOOD)
    counts = counted(path)
    assert (counts.documents, counts.skipped) == (2, {"longer than longest_document": 1})
    assert len(documents(path, longest_document=51)) == 3


def test_an_open_parquet_file_holds_few_of_its_rows(tmp_path: Path) -> None:
    """A stream reads many files side by side."""
    path, rows = tmp_path / "text.parquet", [{"text": f"{i} " + "word " * 2000, "domain": "a"} for i in range(1200)]
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, path, row_group_size=100, compression="none", use_dictionary=False)
    before, reader = pa.total_allocated_bytes(), read(SourceSpec(path=str(path)))
    assert next(iter(reader))
    assert pa.total_allocated_bytes() - before < table.nbytes / 3
