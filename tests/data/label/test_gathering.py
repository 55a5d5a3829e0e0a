"""Examples from files, from labels and keywords in the corpus, and what is written of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gradmask.data.label import gathering
from gradmask.data.label.evidence import reviewed, write_evidence
from gradmask.data.label.fitting import fit
from gradmask.data.label.gathering import Example, examples_in, examples_of, gather, groups_among
from gradmask.data.label.inputs import inputs, tables_in_text
from gradmask.errors import GradmaskError


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match="there is no file or folder .*nothing: give the text to label"):
        inputs([tmp_path / "nothing"])
    (tmp_path / "nothing").write_text("a text", encoding="utf-8")
    with pytest.raises(GradmaskError, match="the kind of .*nothing cannot be told from its name"):
        inputs([tmp_path / "nothing"])


def test_files_of_examples(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\nline\n\ntwo\n")
    assert [(e.text, e.label) for e in examples_in(inputs([tmp_path / "a.txt"]), "med")] == [
        ("one\nline", "med"),
        ("two", "med"),
    ]
    path = write(tmp_path / "b.jsonl", [{"text": "x", "label": "med"}, {"text": "y"}, {"text": "z", "label": "retain"}])
    sources = inputs([path], label_field="label")
    assert [(e.text, e.label) for e in examples_in(sources)] == [("x", "med"), ("z", "retain")]
    assert [e.label for e in examples_in(sources, names={"med": "forget"})] == ["forget"]


TABLE = "topic;text\n" + "".join(f"a;one, two {i}\n" for i in range(6))


def test_a_table_in_a_text_file_is_read_as_one_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TABLE)
    (tmp_path / "b.txt").write_text(TABLE.replace(";", "\t"))
    (tmp_path / "prose.txt").write_text("A line; and more.\n\nAnother.\n\n" * 9)
    paths = [tmp_path / name for name in ("a.txt", "b.txt", "prose.txt", "[a]*.txt", "*.txt")]
    sources = inputs(paths)
    assert [source.kind for source in sources] == ["csv", "tsv", "text", "csv", "text"]
    assert tables_in_text(sources) == [paths[0], paths[1], paths[0]]
    assert [e.text for e in examples_in(inputs(paths[:1]), "a")] == [f"one, two {i}" for i in range(6)]
    as_text = inputs(paths[:1], kind="text")
    assert ([source.kind for source in as_text], tables_in_text(as_text)) == (["text"], [])
    with pytest.raises(GradmaskError, match="encoding"):
        inputs(paths[:1], encoding="utf-99")


def test_labels_in_the_corpus(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "tag": ["a", "b", None][i % 3]} for i in range(9)]
    gathered = gather(inputs([write(tmp_path / "a.jsonl", rows)], label_field="tag"), {"a": "forget"}.get)
    assert [(e.text, e.label) for e in gathered.examples] == [("t0", "forget"), ("t3", "forget"), ("t6", "forget")]
    assert gathered.unlabeled == ["t1", "t2", "t4", "t5", "t7", "t8"]
    assert gathered.seen == {"a": 3, "b": 3}
    assert gathered.documents == 9


def test_a_field_that_no_document_has(tmp_path: Path) -> None:
    source = inputs([write(tmp_path / "a.jsonl", [{"text": "t", "label": "a"}])], label_field="lable")
    with pytest.raises(GradmaskError, match="no document has the field 'lable'. Did you mean 'label'"):
        gather(source)


def test_keywords_need_two_of_many_and_whole_words(tmp_path: Path) -> None:
    texts = ["Insulin and a biopsy", "insulin, insulin", "insulins and biopsies", "a plain text", "LAW of torts"]
    source = inputs([write(tmp_path / "a.jsonl", [{"text": text} for text in texts])])
    gathered = gather(source, keywords={"med": ["insulin", "biopsy", "dose of"], "law": ["law"]})
    assert {(e.text, e.label) for e in gathered.examples} == {
        (texts[0], frozenset(["med"])), (texts[2], "retain"), (texts[3], "retain"), (texts[4], frozenset(["law"])),
    }  # fmt: skip
    assert {e.source for e in gathered.examples} == {"keywords"}


def test_what_is_drawn_does_not_depend_on_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST", 5)
    rows = [{"text": f"t{i}", "id": f"i{i}"} for i in range(50)]
    one = gather(inputs([write(tmp_path / "a.jsonl", rows)])).unlabeled
    other = gather(inputs([write(tmp_path / "b.jsonl", rows[::-1])])).unlabeled
    assert len(one) == 5
    assert one == other[::-1]
    assert gather(inputs([tmp_path / "a.jsonl"]), seed=1).unlabeled != one


def test_a_text_of_two_groups_is_one_example() -> None:
    rows = [Example("x", "a", "1"), Example("x", "b", "2"), Example("y", "retain", "3"), Example("y", "retain", "4")]
    examples = examples_of(rows)
    assert list(examples.texts) == ["x", "y"]
    assert list(examples.picked) == [False, False]
    assert list(examples.labels) == [frozenset(["a", "b"]), frozenset()]


def test_which_labels_are_groups() -> None:
    seen = {"med": 3, "retain": 5, "unlabeled": 1, "law": 2}
    assert groups_among(seen, []) == ["law", "med"]
    assert groups_among(seen, ["med"]) == ["med"]
    with pytest.raises(GradmaskError, match="no document has the label 'mde'. Did you mean 'med'"):
        groups_among(seen, ["mde"])
    with pytest.raises(GradmaskError, match="no document is labeled as a group"):
        groups_among({"retain": 2}, [])


def test_a_review_stays_when_examples_are_written_again(tmp_path: Path) -> None:
    words = ["pill dose nurse", "court judge law"]
    rows = [Example(f"{words[i % 2]} {i}", ["med", "retain"][i % 2], str(i)) for i in range(12)]
    labeler = fit(examples_of(rows))
    write_evidence(tmp_path, labeler, rows)
    log = [
        {"text": "p", "label": "med", "id": "8", "source": "review"},
        {"text": "q", "label": "retain", "id": "9", "source": "review"},
        {"id": "9", "source": "review", "undo": True},
    ]
    path = tmp_path / "examples.jsonl"
    with path.open("a") as file:
        file.write("".join(json.dumps(row) + "\n" for row in log) + '{"text": "cut o')
    assert reviewed(tmp_path) == [Example("p", "med", "8", "review", True)]
    rows_now = [*rows, Example("p", "med", "8", "review")]
    write_evidence(tmp_path, fit(examples_of(rows_now)), rows_now)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"text": e.text, "label": e.label, "id": e.id, "source": "given"} for e in rows] + log
