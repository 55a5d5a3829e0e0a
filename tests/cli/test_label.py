"""gradmask label: from a few examples to shards that train takes."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from tests.data.label.topics import texts

from gradmask.cli import main
from gradmask.cli.label import EXAMPLES
from gradmask.cli.labeling.asked import asked
from gradmask.data import SourceSpec, label, load_documents
from gradmask.errors import GradmaskError

TOPICS = {"medicine": "cooking", "law": "sailing", "sport": "retain"}
"""What topics are written with here."""
PACKAGES = {
    "scikit-learn": "cooking",
    "matplotlib": "sailing",
    "scipy": "sailing",
    "numpy": "retain",
    "pandas": "retain",
}
"""What the packages of the help are written with here."""
LINES = re.findall(r"^  gradmask (label .*?)(?:\\n)?$", EXAMPLES, re.MULTILINE)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """all.jsonl, med.txt, other.jsonl, a folder, and files as in the help."""
    folder = tmp_path_factory.mktemp("label")
    for name in ("more", "data", "more-data"):
        (folder / name).mkdir()
    docs = [
        {"text": f"estimator classifier regressor {t}" if p == "scikit-learn" else t, "package": p}
        for p, t in packages(36)
    ]
    write(folder / "data/docs.jsonl", docs)
    write(folder / "more-data/docs.jsonl", docs[:20])
    labeled = [{"text": t, "label": ["retain", "forget"][p == "scikit-learn"]} for p, t in packages(30, 1)]
    write(folder / "data/examples.jsonl", labeled)
    extra = {"medicine": " insulin biopsy dosage", "law": "", "sport": ""}
    rows = [
        {
            "text": text + extra[topic],
            "topic": topic,
            "label": ["medicine", "retain"][topic != "medicine"] if i < 20 else None,
        }
        for topic, words in TOPICS.items()
        for i, text in enumerate(texts(words, 60))
    ]
    write(folder / "all.jsonl", rows)
    write(folder / "other.jsonl", [{"text": text} for words in ("sailing", "retain") for text in texts(words, 15, 1)])
    (folder / "med.txt").write_text("\n\n".join(text + " insulin" for text in texts("cooking", 30, 1)))
    for i in range(2):
        write(folder / f"more/{i}.jsonl", [{"text": text} for text in texts("cooking", 10, 2 + i)])
    return folder


def packages(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Package and text of documents."""
    return [(package, text) for package, words in PACKAGES.items() for text in texts(words, count, seed)]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def inside(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(corpus)
    return corpus


def labels_of(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted((folder / "shards").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.mark.parametrize("line", [line for line in LINES if "--review" not in line])
def test_every_example_of_the_help(inside: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(line.replace("--jobs 2", "--jobs 1"))
    assert main(words) == 0
    said = capsys.readouterr().out
    output = words[words.index("--output") + 1]
    assert f"Next: gradmask init {output}" in said
    assert "documents labeled + 0 skipped" in said
    assert len(labels_of(inside / output)) == (20 if "more" in output else 180)


def test_what_was_learned_is_right_and_train_takes_it(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["label", "all.jsonl", "--forget", "medicine:med.txt", "--retain", "other.jsonl", "--output", "taken"]
    assert main([*command, "--truth-field", "topic"]) == 0
    said = capsys.readouterr().out
    (line,) = re.findall(r"- (\{kind: parquet.*\})", said)
    documents = load_documents([SourceSpec(**yaml.safe_load(line))])
    assert len(documents) == 180
    given = Counter((row["truth"], row["label"]) for row in documents.to_list())
    assert given["medicine", "medicine"] >= 40
    assert given["law", "medicine"] + given["sport", "medicine"] <= 6
    assert given["law", "retain"] + given["sport", "retain"] >= 60
    report = json.loads((inside / "taken/report.json").read_text())
    assert report["documents"] == report["rows"] == 180
    assert report["scorer"] == "tfidf"
    assert report["examples"] == {"medicine": 30, "retain": 30}
    held_out = pq.read_table(inside / "taken/held_out.parquet")
    assert held_out.column_names == ["text", "label", "score_medicine", "fold"]
    assert len(held_out) == 60


def test_the_page_and_the_review_take_the_folder(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", "all.jsonl", "--label-field", "label", "--output", "paged"]) == 0
    assert "gradmask label --review paged" in capsys.readouterr().out
    assert "medicine" in (inside / "paged/labels.html").read_text()
    session = label.open_session("paged")
    for _ in range(3):
        candidate = session.next()
        assert candidate is not None
        session.answer(candidate, "medicine")
    assert main(["label", "all.jsonl", "--label-field", "label", "--output", "paged", "--restart", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["examples"]["medicine"] == 23
    assert len(label.reviewed(inside / "paged")) == 3
    assert main(["label", "--review", "paged"]) == 2
    assert "a review needs a terminal" in capsys.readouterr().err


def test_json_says_all_of_it(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["label", "all.jsonl", "--label-field", "label", "--share", "0.3", "--output", "as-json", "--json"]
    assert main(command) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["groups"] == ["medicine"]
    assert said["examples"] == {"medicine": 20, "retain": 40}
    assert said["held_out"]["medicine"]["target"]["share"] == 0.3
    assert sum(said["labels"]["documents"].values()) == said["documents"] == 180


def test_a_file_of_labeled_examples(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"text": text, "label": "medicine"} for text in texts("cooking", 20, 5)]
    write(inside / "examples.jsonl", rows + [{"text": text, "label": "retain"} for text in texts("retain", 20, 5)])
    assert main(["label", "all.jsonl", "--examples", "examples.jsonl", "--output", "by-examples", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["examples"] == {"medicine": 20, "retain": 20}


def test_given_labels_are_kept(inside: Path) -> None:
    assert main(["label", "all.jsonl", "--label-field", "label", "--output", "kept"]) == 0
    given = [json.loads(line)["label"] for line in (inside / "all.jsonl").read_text().splitlines()]
    pairs = zip(given, labels_of(inside / "kept"), strict=True)
    assert all(row["label"] == label for label, row in pairs if label is not None)


def test_dry_run_learns_and_writes_nothing(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", "all.jsonl", "--label-field", "label", "--output", "dry", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "On held-out examples" in said
    assert "Next:" not in said
    assert not (inside / "dry").exists()


def test_the_same_command_again_and_a_changed_one(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["label", "all.jsonl", "--label-field", "label", "--output", "again"]
    assert main(command) == main(command) == 0
    assert main([*command, "--recall", "0.5"]) == 2
    assert "changed: the labeler" in capsys.readouterr().err
    assert main([*command, "--recall", "0.5", "--restart"]) == 0


def test_the_text_is_found_as_init_finds_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"id": i, "tag": tag if i % 2 else "", "message": text}
        for tag, words in (("med", "cooking"), ("sea", "sailing"))
        for i, text in enumerate(texts(words, 30))
    ]
    write(tmp_path / "posts.jsonl", rows)
    given = ["label", str(tmp_path / "posts.jsonl"), "--forget", "tag=med", "--retain", "tag=sea"]
    assert main([*given, "--output", str(tmp_path / "out"), "--dry-run", "--json"]) == 0
    said = capsys.readouterr()
    assert "the text is taken from the field message" in " ".join(said.err.split())
    assert main([*given, "--output", str(tmp_path / "out"), "--text-field", "body"]) == 2
    assert "no field 'body'" in capsys.readouterr().err


def test_a_table_in_a_text_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "posts.txt"
    table.write_text("id;text\n" + "".join(f"{i};one, two\n" for i in range(6)), encoding="utf-8")
    given = ["label", str(table), "--output", str(tmp_path / "out")]
    for words, named in (([], True), (["--kind", "text"], False)):
        assert main([*given, *words]) == 2  # nothing to learn from
        said = " ".join(capsys.readouterr().err.split())
        assert ("posts.txt is read as a table" in said) is named


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "there is nothing to learn from: give examples"),
        (["--forget", "med.txt"], "retain"),
        (["--label-field", "lable"], "no document has the field 'lable'"),
        (["--label-field", "label", "--group", "law"], "no document has the label 'law'"),
        (
            ["--forget", "topic=medcine", "--retain", "topic=law"],
            "no document has the label 'medcine'. Did you mean 'medicine'",
        ),
        (["--forget", "none.txt"], "none.txt"),
        (["--group", "a", "--group", "b", "--forget", "med.txt"], "of which group (a, b)?"),
        (["--label-field", "label", "--recall", "0.9", "--share", "0.1"], "--recall and --share are given"),
        (["--labeler", "none"], "none holds no labeler"),
        (["--labeler", "none", "--keywords", "a"], "has learned already"),
        (["--label-field", "label", "--scorer", "tfdif"], "no scorer 'tfdif'"),
        (["--keywords", " , "], "no words"),
        (["--label-field", "label", "--scorer", "field:x"], "a field with scores needs no labeling"),
    ],
)
def test_what_is_wrong_is_said(
    inside: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["label", "all.jsonl", "--output", "wrong", *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not (inside / "wrong").exists()


def test_bad_rows_stop_or_are_counted(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = (inside / "all.jsonl").read_bytes()
    bad = b'{"text": "caf\xe9"}\n' + b"{broken\n" + b'{"text": ""}\n' + b'{"other": 1}\n'
    (inside / "bad.jsonl").write_bytes(rows + bad + b'{"text": "' + b"x" * 25_000_000 + b'"}\n')
    command = ["label", "bad.jsonl", "--label-field", "label", "--output", "bad"]
    assert main(command) == 2
    assert "bad.jsonl, line 181: not valid UTF-8" in capsys.readouterr().err
    assert main([*command, "--skip-bad-rows", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["rows"] == 185
    assert said["documents"] == 180
    assert said["skipped"] == {
        "blank text": 1, "longer than longest_document": 1, "missing or wrong field": 1, "not valid JSON": 1,
        "not valid Unicode": 1,
    }  # fmt: skip


def test_how_groups_are_named() -> None:
    what = asked([], ["med:a=1", "a=2"], ["a=3"], None, ["law:tort, court"])
    assert what.values == {"1": "med", "2": "forget", "3": "retain"}
    assert what.keywords == {"law": ["tort", "court"]}
    assert what.groups == ["med", "forget", "law"]
    with pytest.raises(GradmaskError, match="labels come from one field"):
        asked([], ["a=1", "b=1"], [], None, [])
    with pytest.raises(GradmaskError, match="labels come from one field"):
        asked([], ["a=1"], [], "label", [])
