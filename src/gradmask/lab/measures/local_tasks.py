"""Multiple choice from a file of yours as tasks of lm-evaluation-harness: its scoring, and no internet.

Rows in the manner of WMDP and MMLU, TOFU or MUSE are understood as they are (`read_questions`); other columns are named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.measures.question_rows import LETTERS, listed, question_rows, typed_rows
from gradmask.lab.measures.questions import Question, question_of, read_questions

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")


@dataclass(frozen=True)
class LocalTask:
    """A file of questions, each with an answer among choices.

    Args:
        path: JSONL, JSON, CSV or Parquet.
        question: the column of the question; with ``choices`` and ``answer``, for rows of no known kind.
        choices: the column that lists the choices, or one column for each choice.
        answer: the column of the right choice: its number from 0, its letter, or its text.
        letters: show the choices with letters and score the letters, as the harness's wmdp and mmlu do; otherwise the choices'
            texts are scored after the question, as its acc and acc_norm of other tasks are.
        name: of the task; by default that of the file.
    """

    path: str
    question: str = ""
    choices: str | Sequence[str] = ""
    answer: str = ""
    letters: bool = False
    name: str = ""

    @property
    def title(self) -> str:
        return self.name or re.sub(r"\W+", "_", Path(self.path).stem)


def local_task(task: str | LocalTask) -> LocalTask | None:
    """A task that is a file; None: one that the harness knows by name."""
    if isinstance(task, LocalTask):
        return task
    return LocalTask(task) if Path(task).suffix.lower() in SUFFIXES else None


def local_questions(task: LocalTask) -> list[Question]:
    """The questions of the file.

    Raises:
        GradmaskError: no such file or column, a row without an answer among its choices, no rows, more choices than letters.
    """
    columns = [task.question, task.choices, task.answer]
    if any(columns) and not all(columns):
        raise GradmaskError(f"{task.path}: give all of question, choices and answer, or none of them")
    if not any(columns):
        found = read_questions(task.path)
    else:
        rows, typed = question_rows(task.path), typed_rows(task.path)
        found = [
            question_of(_named(row, task, i), f"{task.path}, question {i}", typed=typed)
            for i, row in enumerate(rows, 1)
        ]
    if not found:
        raise GradmaskError(f"{task.path}: holds no question")
    if task.letters and max(len(q.choices) for q in found) > len(LETTERS):
        raise GradmaskError(f"{task.path}: letters are given to at most {len(LETTERS)} choices: leave out `letters`")
    return found


def _named(row: Mapping[str, Any], task: LocalTask, number: int) -> dict[str, Any]:
    """A row of other columns as one of WMDP's."""

    def cell(column: str) -> Any:
        if column not in row:
            raise GradmaskError(
                f"{task.path}, question {number}: no column {column!r}.{did_you_mean(column, row)} Columns: {', '.join(row)}"
            )
        return row[column]

    choices = listed(cell(task.choices)) if isinstance(task.choices, str) else [cell(column) for column in task.choices]
    texts = list(map(str, choices)) if isinstance(choices, list) else choices
    answer = cell(task.answer)
    return {
        "question": str(cell(task.question)),
        "choices": texts,
        "answer": answer if type(answer) is int else str(answer),
    }


def write_task(task: LocalTask, folder: Path) -> list[str]:
    """Write a task file and its data for each role and kind of the questions into ``folder``; returns the names of the tasks.

    Raises:
        GradmaskError: as `local_questions`.
    """
    parts: dict[tuple[str, str], list[Question]] = {}
    for question in local_questions(task):
        parts.setdefault((question.role, question.kind), []).append(question)
    telling = [len({part[i] for part in parts}) > 1 for i in range(2)]
    names = []
    for part, some in parts.items():
        name = "_".join(
            [task.title, *(re.sub(r"\W+", "_", word) for word, told in zip(part, telling, strict=True) if told)]
        )
        data = folder / f"{name}.jsonl"
        data.write_text("".join(json.dumps(_row(q, task.letters)) + "\n" for q in some), encoding="utf-8")
        # JSON is YAML, and needs no quoting of its own
        (folder / f"{name}.yaml").write_text(json.dumps(_task(name, data, folder), indent=1), encoding="utf-8")
        names.append(name)
    return names


def _row(question: Question, letters: bool) -> dict[str, Any]:
    row = {"text": question.prompt, "choices": list(question.choices), "right": question.choices.index(question.answer)}
    if not letters:
        return row
    asked = question.prompt.removeprefix("Question: ").removesuffix("\nAnswer:").strip()
    lines = [f"{letter}. {choice}" for letter, choice in zip(LETTERS, question.choices, strict=False)]
    return {**row, "text": "\n".join([asked, *lines, "Answer:"]), "choices": list(LETTERS[: len(lines)])}


def _task(name: str, data: Path, folder: Path) -> dict[str, Any]:
    metrics = [{"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in ("acc", "acc_norm")]
    # the harness copies data into the cache of `datasets`: here it goes with the folder
    read = {"data_files": {"test": str(data)}, "cache_dir": str(folder / "cache")}
    return {
        "task": name, "dataset_path": "json", "dataset_kwargs": read, "test_split": "test", "output_type": "multiple_choice",
        "doc_to_text": "text", "doc_to_choice": "choices", "doc_to_target": "right", "metric_list": metrics,
    }  # fmt: skip
