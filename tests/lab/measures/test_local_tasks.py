"""Files of multiple choice, as the harness gets them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradmask.errors import GradmaskError
from gradmask.lab.measures.local_tasks import LocalTask, local_questions, local_task, write_task
from gradmask.lab.measures.questions import Question

OWN = {"frage": "Which?", "a": "one", "b": "two", "c": "three", "richtig": "B"}
EXPECTED = Question("Question: Which?\nAnswer:", "two", ("one", "two", "three"))


def lines(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("answer", ["B", "b", 1, "1", "two"])
def test_an_answer_is_a_letter_a_number_or_a_text(tmp_path: Path, answer: Any) -> None:
    path = lines(tmp_path / "own.jsonl", {**OWN, "richtig": answer})
    assert local_questions(LocalTask(path, "frage", ("a", "b", "c"), "richtig")) == [EXPECTED]


def test_columns_of_any_kind_of_file(tmp_path: Path) -> None:
    listed = {"frage": "Which?", "alle": ["one", "two", "three"], "richtig": 1}
    task = LocalTask(lines(tmp_path / "listed.jsonl", listed), "frage", "alle", "richtig")
    assert local_questions(task) == [EXPECTED]
    with (tmp_path / "listed.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, listed)
        rows.writeheader()
        rows.writerow({**listed, "alle": json.dumps(listed["alle"])})
    pq.write_table(pa.Table.from_pylist([listed]), tmp_path / "listed.parquet")
    for name in ("listed.csv", "listed.parquet"):
        assert local_questions(LocalTask(str(tmp_path / name), "frage", "alle", "richtig")) == [EXPECTED]


def test_numbers_among_the_choices_are_texts_first(tmp_path: Path) -> None:
    """Of the choices 3, 1 and 2 the answer "2" is the last one, and not the one with the number 2."""
    path = lines(tmp_path / "sums.jsonl", {"q": "1 + 1?", "all": ["2", "0", "1"], "is": "2"})
    (question,) = local_questions(LocalTask(path, "q", "all", "is"))
    assert question.answer == "2"
    assert question.choices.index("2") == 0


def test_a_task_is_written_for_the_harness(tmp_path: Path) -> None:
    row = {"question": "Which?", "choices": ["one", "two", "three"], "answer": 1}
    path = lines(tmp_path / "my quiz.jsonl", row, row)
    (name,) = write_task(LocalTask(path), tmp_path)
    assert name == "my_quiz"
    task = json.loads((tmp_path / "my_quiz.yaml").read_text())
    assert (task["task"], task["output_type"], task["dataset_path"]) == (name, "multiple_choice", "json")
    assert [metric["metric"] for metric in task["metric_list"]] == ["acc", "acc_norm"]
    data = Path(task["dataset_kwargs"]["data_files"]["test"])
    written = {
        task["doc_to_text"]: EXPECTED.prompt,
        task["doc_to_choice"]: ["one", "two", "three"],
        task["doc_to_target"]: 1,
    }
    assert read(data) == [written, written]
    (name,) = write_task(LocalTask(path, letters=True, name="lettered"), tmp_path)
    assert read(tmp_path / f"{name}.jsonl")[0] == {
        "text": "Which?\nA. one\nB. two\nC. three\nAnswer:",
        "choices": ["A", "B", "C"],
        "right": 1,
    }


def test_roles_and_kinds_are_tasks_of_their_own(tmp_path: Path) -> None:
    row = {"prompt": "p", "answer": "a", "choices": ["a", "b"]}
    both = [{**row, "role": role, "kind": kind} for role in ("forget", "retain") for kind in ("direct", "two hop")]
    names = write_task(LocalTask(lines(tmp_path / "world.jsonl", *both)), tmp_path)
    assert names == ["world_forget_direct", "world_forget_two_hop", "world_retain_direct", "world_retain_two_hop"]
    assert write_task(LocalTask(lines(tmp_path / "one.jsonl", *both[::2])), tmp_path) == ["one_forget", "one_retain"]


def test_a_path_is_told_from_a_name() -> None:
    assert local_task("wmdp_bio") is None
    assert local_task("some/quiz.parquet") == LocalTask("some/quiz.parquet")
    assert local_task(LocalTask("x", letters=True)) == LocalTask("x", letters=True)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"question": "frage"}, "give all of question, choices and answer, or none of them"),
        ({"question": "fragen", "choices": ["a", "b"], "answer": "richtig"}, "question 1: no column 'fragen'. Did you mean 'frage'"),
        ({"question": "frage", "choices": ["a", "c"], "answer": "c"}, None),
        ({"question": "frage", "choices": ["a", "b"], "answer": "frage"}, "none of its 2 choices (numbers count from 0)"),
        ({"question": "frage", "choices": "a", "answer": "b"}, "question 1: needed a list as choices"),
        ({}, "question 1: needed a text as prompt or question"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path: Path, columns: dict[str, Any], message: str | None) -> None:
    task = LocalTask(lines(tmp_path / "own.jsonl", OWN), **columns)
    if message is None:
        assert local_questions(task)[0].answer == "three"
        return
    with pytest.raises(GradmaskError) as error:
        local_questions(task)
    assert message in str(error.value)


def test_more_choices_than_letters_and_files_that_are_not_there(tmp_path: Path) -> None:
    many = {"question": "q", "choices": [str(i) for i in range(27)], "answer": 0}
    with pytest.raises(GradmaskError, match="letters are given to at most 26 choices"):
        local_questions(LocalTask(lines(tmp_path / "many.jsonl", many), letters=True))
    with pytest.raises(GradmaskError):
        local_questions(LocalTask(str(tmp_path / "nothing.jsonl")))
    with pytest.raises(GradmaskError):
        local_questions(LocalTask(lines(tmp_path / "empty.jsonl")))
