from __future__ import annotations

import json
from pathlib import Path

import pytest

from gradmask.data.label.review import read_examples
from gradmask.data.label.review.answers import answer_row, append_row, undo_row
from gradmask.errors import GradmaskError


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "examples.jsonl"
    for i, label in enumerate(["medicine", "retain", None, ["medicine", "law"]]):
        append_row(path, answer_row(f"a:{i}", f"text {i}\nñ", label, "uncertain"))
    return path


def test_every_answer_is_a_line(log: Path) -> None:
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [row["label"] for row in rows] == ["medicine", "retain", None, ["medicine", "law"]]
    assert read_examples(log) == rows
    assert {row["source"] for row in rows} == {"review"}


def test_undoing_is_a_line_and_takes_the_last_that_holds(log: Path) -> None:
    append_row(log, undo_row("a:3"))
    append_row(log, undo_row("a:2"))
    append_row(log, answer_row("a:2", "text 2", "retain", "random"))
    assert [(row["id"], row["label"]) for row in read_examples(log)] == [
        ("a:0", "medicine"),
        ("a:1", "retain"),
        ("a:2", "retain"),
    ]
    assert len(log.read_text(encoding="utf-8").splitlines()) == 7


def test_a_given_example_is_never_undone(tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    append_row(path, {"text": "a", "label": "retain", "id": "a:1", "source": "given"})
    append_row(path, undo_row("a:1"))
    assert [row["text"] for row in read_examples(path)] == ["a"]


@pytest.mark.parametrize("keep", [1, 40, 100_000])
def test_a_line_that_was_cut_off_is_left_out_and_the_next_answer_stands_alone(log: Path, keep: int) -> None:
    whole, long = log.read_bytes(), json.dumps(answer_row("a:9", "x" * 200_000, "retain", "likely")).encode()
    log.write_bytes(whole + long[:keep])
    assert len(read_examples(log)) == 4
    append_row(log, answer_row("a:4", "text 4", "retain", "likely"))
    assert log.read_bytes().startswith(whole)
    assert [row["id"] for row in read_examples(log)] == ["a:0", "a:1", "a:2", "a:3", "a:4"]


@pytest.mark.parametrize(
    ("line", "said"), [("{'a'}", "not JSON"), ('["a"]', "an example is"), ('{"text": "a"}', "text, label")]
)
def test_what_is_no_example_is_named_by_its_line(log: Path, line: str, said: str) -> None:
    log.write_text(log.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(GradmaskError, match=said) as raised:
        read_examples(log)
    assert f"{log}:5" in str(raised.value)


def test_no_log_is_no_examples(tmp_path: Path) -> None:
    assert read_examples(tmp_path / "none.jsonl") == []
