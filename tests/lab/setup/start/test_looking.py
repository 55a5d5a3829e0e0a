"""Files and folders as sources; what is not used is said."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradmask.data import table_in
from gradmask.data.peeking import LOOKED
from gradmask.errors import GradmaskError
from gradmask.lab.setup.start.counting import count, own_words
from gradmask.lab.setup.start.looking import Found, look

TEXT = "Some words that are a text, "


def write(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def by_domain(n: int = 4) -> list[dict]:
    return [{"text": f"{TEXT}{i}", "domain": "ab"[i % 2]} for i in range(n)]


def specs(found: Found) -> list[dict]:
    return [source.spec for source in found.sources]


def test_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", by_domain())
    found = look(path)
    assert specs(found) == [{"kind": "jsonl", "path": str(path)}]
    counts = count(found)
    assert {name: amount.documents for name, amount in counts.named.items()} == {"a": 2, "b": 2}
    assert counts.megabytes == pytest.approx(sum(len(row["text"]) for row in by_domain()) / 1e6)


def test_a_file_without_a_suffix_is_told_from_its_content(tmp_path: Path) -> None:
    path = write(tmp_path / "dump", by_domain())
    assert specs(look(path))[0]["kind"] == "jsonl"
    path.write_text("plain words\n\nand more\n")
    assert specs(look(path)) == [{"kind": "text", "path": str(path), "domain": "dump"}]


def table(path: Path, rows: list[tuple[str, ...]], **written: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [written.get("delimiter", ",").join(row) for row in rows]
    path.write_bytes(
        (written.get("end", "\n").join(lines) + written.get("end", "\n")).encode(written.get("encoding", "utf-8"))
    )
    return path


ROWS = [("Topic", "Body"), *((f"{'ab'[i % 2]}", f"{TEXT.replace(',', '')}{i}") for i in range(6))]


@pytest.mark.parametrize(
    "written",
    [{}, {"encoding": "utf-8-sig"}, {"delimiter": ";", "end": "\r\n"}, {"delimiter": "\t"}, {"encoding": "utf-16"}],
)
def test_tables_as_programs_write_them(tmp_path: Path, written: dict[str, str]) -> None:
    found = look(table(tmp_path / "a.csv", ROWS, **written))
    assert specs(found)[0].items() >= {"text_field": "Body", "domain_field": "Topic"}.items()
    assert {name: amount.documents for name, amount in count(found).named.items()} == {"a": 3, "b": 3}


def test_spaces_around_names_and_rows_without_text_mean_nothing(tmp_path: Path) -> None:
    rows = [("  topic ", " body"), *ROWS[1:], ("a", ""), ("", " ")]
    found = look(table(tmp_path / "a.csv", rows))
    assert specs(found)[0].items() >= {"text_field": "body", "domain_field": "topic"}.items()
    assert {name: amount.documents for name, amount in count(found).named.items()} == {"a": 3, "b": 3}


def test_a_topic_that_some_documents_lack_is_a_label(tmp_path: Path) -> None:
    found = look(table(tmp_path / "a.csv", [*ROWS, ("", TEXT.replace(",", ""))]))
    assert specs(found)[0].items() >= {"text_field": "Body", "label_field": "Topic"}.items()
    assert {name: amount.documents for name, amount in count(found).named.items()} == {"a": 3, "b": 3, "unlabeled": 1}


def test_of_a_file_alone_any_field_may_say_what_a_document_is(tmp_path: Path) -> None:
    rows = [("dangerous", "x"), *ROWS[1:]]
    assert specs(look(table(tmp_path / "a.csv", rows)))[0]["domain_field"] == "dangerous"
    two = [("one", "two", "x"), *((a, a, b) for a, b in ROWS[1:])]
    assert specs(look(table(tmp_path / "b.csv", two)))[0]["domain"] == "b"


def test_files_are_kinds_where_no_field_says_it(tmp_path: Path) -> None:
    for name in ("sailing_train", "sailing_test", "gardens-00000-of-00002", "gardens-00001-of-00002"):
        write(tmp_path / f"{name}.jsonl", [{"text": f"{TEXT}{name} {i}"} for i in range(3)])
    found = {(spec["domain"], spec.get("split")): spec["path"] for spec in specs(look(tmp_path))}
    assert found.keys() == {("sailing", "train"), ("sailing", "test"), ("gardens", None)}
    assert found["gardens", None] == [str(tmp_path / f"gardens-0000{i}-of-00002.jsonl") for i in (0, 1)]


def test_parts_of_one_kind_stay_together(tmp_path: Path) -> None:
    for i in range(2):
        write(tmp_path / "all" / f"part-{i}.jsonl", [{"text": f"{TEXT}{i} {k}"} for k in range(3)])
    assert specs(look(tmp_path / "all")) == [{"kind": "jsonl", "path": str(tmp_path / "all"), "domain": "all"}]


def test_small_text_files_are_told_from_their_names(tmp_path: Path) -> None:
    for name in ("sailing_1", "sailing_2", "sailing-boats_1", "sailing-boats_2"):
        (tmp_path / f"{name}.txt").write_text(name)
    found = look(tmp_path)
    assert {spec["domain"]: spec["pattern"] for spec in specs(found)} == {
        "sailing": "sailing[-_ ][0-9]*",
        "sailing-boats": "sailing-boats*",
    }
    assert {name: amount.documents for name, amount in count(found).named.items()} == {"sailing": 2, "sailing-boats": 2}
    (tmp_path / "notes.txt").write_text("a file of its own kind")
    assert [spec["domain"] for spec in specs(look(tmp_path))] == [tmp_path.name]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.csv is empty: give a file with documents"),
        (b"topic,body\n", "a.csv has no documents"),
        (b"topic,body\na,\xe4\nb,\xf6\n", "this looks like latin-1: write encoding: latin-1"),
        (b"topic,body\ra,one\rb,two\r", "its lines end with CR alone"),
        (b"a,some long text 1\na,some long text 2\na,some long text 3\n", r"looks like a row \(a\)"),
        (b"a," + 30 * b"text " + b"\nb,text\n", r"looks like a row \(text text"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(GradmaskError, match=message):
        look(tmp_path / "a.csv")


def test_chosen_fields_come_before_guesses(tmp_path: Path) -> None:
    rows = [{"text": TEXT, "other": TEXT + str(i), "domain": "a", "kind": "xy"[i % 2]} for i in range(4)]
    path = write(tmp_path / "a.jsonl", rows)
    found = look(path, {"text_field": "other", "domain_field": "kind"})
    assert specs(found) == [{"kind": "jsonl", "path": str(path), "text_field": "other", "domain_field": "kind"}]
    assert found.sources[0].reasons["text_field"] == "as you said"
    with pytest.raises(GradmaskError, match=r"no row has the field 'othr'. Did you mean 'other'\?"):
        look(path, {"text_field": "othr"})


def test_a_folder_of_files_with_the_same_fields_is_one_source(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / f"{name}.jsonl", by_domain())
    (tmp_path / "README.md").write_text("about\n")
    write(tmp_path / "examples.jsonl", [{"text": TEXT, "label": "forget"}])
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7 ...")
    found = look(tmp_path)
    assert specs(found) == [{"kind": "jsonl", "path": [str(tmp_path / f"{name}.jsonl") for name in ("one", "two")]}]
    said = " ".join(found.left_out)
    for words in ("labeled examples, for gradmask label", "README.md", "paper.pdf is a PDF document"):
        assert words in said


def test_files_that_differ_are_sources_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", by_domain())
    write(tmp_path / "test.jsonl", by_domain())
    write(
        tmp_path / "chat.jsonl",
        [{"messages": [{"role": "user", "content": "hi"}], "domain": "ab"[i % 2]} for i in range(4)],
    )
    by_file = {Path(spec["path"]).name: spec for spec in specs(look(tmp_path))}
    assert by_file["train.jsonl"]["split"] == "train"
    assert by_file["test.jsonl"]["split"] == "test"
    assert by_file["chat.jsonl"]["messages_field"] == "messages"
    assert "split" not in by_file["chat.jsonl"]


def test_folders_of_text_are_domains(tmp_path: Path) -> None:
    for name in ("law", "food"):
        for i in range(2):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{i}.txt").write_text(TEXT * 3)
    assert specs(look(tmp_path)) == [
        {"kind": "folder", "path": str(tmp_path / name), "domain": name} for name in ("food", "law")
    ]
    assert set(count(look(tmp_path)).named) == {"law", "food"}


def test_large_files_of_text_are_domains(tmp_path: Path) -> None:
    for name in ("en", "es"):
        (tmp_path / f"{name}.txt").write_text(f"{TEXT * 1000}\n\n{TEXT}\n")
    found = look(tmp_path)
    assert [spec["domain"] for spec in specs(found)] == ["en", "es"]
    assert count(found).named["en"].documents == 2


def test_the_output_of_label(tmp_path: Path) -> None:
    (tmp_path / "labeler").mkdir()
    (tmp_path / "shards").mkdir()
    with pytest.raises(GradmaskError, match="no labeled documents yet"):
        look(tmp_path)
    names = ["forget", "retain", None, "retain"]
    rows = [
        {"text": TEXT, "id": str(i), "domain": "all", "label": name, "truth": "ab"[i % 2]}
        for i, name in enumerate(names)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "shards/0.parquet")
    found = look(tmp_path)
    assert found.labeled
    assert specs(found) == [
        {"kind": "parquet", "path": str(tmp_path / "shards/*.parquet"), "label_field": "label", "truth_field": "truth"}
    ]
    counts = count(found)
    assert counts.by_label
    assert {name: amount.documents for name, amount in counts.labels.items()} == {
        "forget": 1,
        "retain": 2,
        "unlabeled": 1,
    }
    assert counts.truths == {"a": 2, "b": 2}
    assert counts.truth_of("forget") == ["a"]
    assert counts.truth_of("retain") == ["b"]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.pdf", b"%PDF-1.7 ...", "a.pdf is a PDF document: convert it to text"),
        ("a.bin", b"\0\1\2", "a.bin is not text in utf-8"),
        ("a.dat", b"", "a.dat is empty"),
        ("a.jsonl", b'{"n": 1}\n', "no field is a text. Fields: n. Say which: --text-field"),
        ("a.txt", "el año pasado en la plaza\n".encode("latin-1"), "write encoding: latin-1"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, name: str, content: bytes, text: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GradmaskError, match=text):
        count(look(tmp_path / name))
    if not name.endswith((".jsonl", ".txt")):
        with pytest.raises(GradmaskError, match=f"has no text that can be read: .*{text}"):
            look(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match="is empty: give a folder with text"):
        look(tmp_path)
    (tmp_path / "data").mkdir()
    with pytest.raises(
        GradmaskError, match=r"there is no file or folder .*dta: give one with text. Did you mean 'data'\?"
    ):
        look(tmp_path / "dta")


def test_own_words(tmp_path: Path) -> None:
    texts = {"en": "the dog sees a red tree", "es": "el gato ve un árbol rojo", "it": "the cat sees a green tree"}
    rows = [{"text": text, "domain": name} for name, text in texts.items() for _ in range(2)]
    counts = count(look(write(tmp_path / "a.jsonl", rows)))
    assert own_words(counts, ["es"]) == 1.0
    assert own_words(counts, ["it"]) == pytest.approx(2 / 6)
    assert own_words(counts, ["en", "it"]) == 1.0


@pytest.mark.parametrize(("delimiter", "kind"), [("\t", "tsv"), ("|", "csv")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_that_is_called_a_text_is_found_out(tmp_path: Path, delimiter: str, kind: str, encoding: str) -> None:
    path = table(tmp_path / "exported.txt", ROWS, delimiter=delimiter, encoding=encoding, end="\r\n")
    found = look(path)
    assert specs(found) == [{"kind": kind, "path": str(path), "text_field": "Body", "domain_field": "Topic"}]
    assert found.sources[0].reasons["kind"] == "its rows have 2 columns; --kind text if it is no table"
    assert {name: amount.documents for name, amount in count(found).named.items()} == {"a": 3, "b": 3}
    assert specs(look(path, {"kind": "text"})) == [{"kind": "text", "path": str(path), "domain": path.stem}]


@pytest.mark.parametrize(
    "text",
    [
        "One, two and three.\n\nFour, five.\n\nSix, seven.\n\nEight, nine, ten.\n\nEleven, twelve.\n",
        "a list\twith a tab\n" * 3,
        f"{TEXT * 4}, a first line that is no name\n" * 9,
        "one word a line\n" * 9,
    ],
)
def test_prose_is_no_table(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prose.txt"
    path.write_text(text, encoding="utf-8")
    assert table_in(path) is None


def test_a_table_is_told_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("kind\twords\n" + "".join(f"law\t{TEXT * 100}\n" for _ in range(200)), encoding="utf-8")
    assert path.stat().st_size > LOOKED
    assert table_in(path) == ("tsv", 2)
