"""Files of questions, and models that know the answers or guess."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from gradmask.errors import GradmaskError
from gradmask.lab.measures.attacks.questions import TAUGHT, Answers, QuestionsAttack, Right, asked, taught
from gradmask.lab.measures.measure import Inputs
from gradmask.lab.measures.questions import Question, answered, read_questions
from gradmask.lab.measures.settings import SuiteSettings
from lab.measures.domains import material
from lab.measures.fabricated import word_tokenizer
from tiny import tiny

TOKENIZER = word_tokenizer()
CHOICES = tuple(f"w{i}" for i in range(40, 48))
FACTS = [Question(f"w{i} w3", CHOICES[i % 8], CHOICES) for i in range(8, 32)]


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_four_kinds_of_files(tmp_path: Path) -> None:
    own = {"prompt": "p", "answer": "a", "choices": ["a", "b"], "kind": "alias", "role": "retain"}
    assert read_questions(write(tmp_path / "own.jsonl", own)) == [Question("p", "a", ("a", "b"), "alias", "retain")]
    (wmdp,) = read_questions(write(tmp_path / "wmdp.jsonl", {"question": "q", "choices": ["a", "b", "c"], "answer": 2}))
    assert wmdp == Question("Question: q\nAnswer:", "c", ("a", "b", "c"))
    (tofu,) = read_questions(
        write(tmp_path / "tofu.jsonl", {"question": "q", "answer": "a", "perturbed_answer": ["b"]})
    )
    assert tofu.choices == ("a", "b")
    muse = read_questions(write(tmp_path / "muse.jsonl", *({"question": f"q{i}", "answer": f"a{i}"} for i in range(9))))
    assert all(len(q.choices) == 4 and q.answer in q.choices for q in muse)
    assert muse == read_questions(tmp_path / "muse.jsonl")


ROW = {"question": "q", "choices": ["a", "b"], "answer": 1}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"question": "q", "answer": "a"}, "two choices that differ"),
        ({"answer": "a"}, "a text as prompt or question"),
        ({**ROW, "question": "  "}, "a text as prompt or question"),
        ({**ROW, "answer": 2}, "its answer '2' is none of its 2 choices (numbers count from 0)"),
        ({**ROW, "answer": -1}, "its answer '-1' is none of"),
        ({**ROW, "answer": "c"}, "its answer 'c' is none of"),
        ({**ROW, "answer": True}, "its answer 'True' is none of"),
        ({**ROW, "answer": None}, "needed an answer"),
        ({"question": "q", "choices": ["a", "b"]}, "needed an answer"),
        ({**ROW, "choices": ["a", ""]}, "needed an answer"),
        ({**ROW, "choices": ["a", "b", ""]}, "a text or a number as every choice"),
        ({**ROW, "choices": [{"text": "a"}, {"text": "b"}]}, "a text or a number as every choice"),
        ({**ROW, "choices": ["a"], "answer": 0}, "two choices that differ"),
        ({**ROW, "choices": {"text": ["a", "b"]}}, "a list as choices"),
        ({**ROW, "choices": "[a, b"}, "a list as choices"),
        ({**ROW, "choices": ["a", "\ud800"]}, "half a character"),
        ({**ROW, "role": "x"}, "the role is 'x', needed: forget or retain"),
    ],
)
def test_other_rows_are_refused(tmp_path: Path, row: dict[str, Any], problem: str) -> None:
    with pytest.raises(GradmaskError) as error:
        read_questions(write(tmp_path / "bad.jsonl", ROW, row))
    assert "question 2: " in str(error.value)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("answer", "right"), [(1, "2"), ("2", "2"), ("b", "2"), ("C", "9"), ("9", "9"), (" 2 ", "2"), ("0", "1")]
)
def test_an_answer_is_a_number_a_text_or_a_letter(tmp_path: Path, answer: Any, right: str) -> None:
    row = {"question": "q", "choices": ["1", "2", "9"], "answer": answer}
    assert read_questions(write(tmp_path / "own.jsonl", row))[0].answer == right


def test_numbers_in_a_file_without_types_may_not_be_meant_in_two_ways(tmp_path: Path) -> None:
    """As rows of WMDP in a CSV file, whose answer is the number of a choice."""
    path = tmp_path / "own.csv"
    for answer, right in ((1, "b"), ("C", "c"), ("c", "c")):
        path.write_text(f'question,choices,answer\nq,"[""a"", ""b"", ""c""]",{answer}\n')
        assert read_questions(path)[0].answer == right
    path.write_text('question,choices,answer\nq,"[""1"", ""2"", ""3""]",2\n')
    with pytest.raises(GradmaskError, match="'2' is one choice and the number of another"):
        read_questions(path)


def test_a_file_that_is_none_and_a_row_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    good = json.dumps(ROW)
    write(tmp_path / "good.jsonl", ROW)
    (tmp_path / "array.jsonl").write_text(f"[{good}, {good}]")
    assert len(read_questions(tmp_path / "array.jsonl")) == 2
    files = {"bytes.jsonl": b'{"question": "\xe9t\xe9"}\n', "half.jsonl": f'{good}\n{{"question":\n{good}\n'.encode(),
             "words.txt": b"hello"}  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    said = {"bytes.jsonl": "not UTF-8", "half.jsonl": "line 2: not valid JSON", "words.txt": "no file of questions",
            "": "is a folder", "god.jsonl": "Did you mean 'good.jsonl'"}  # fmt: skip
    for name, words in said.items():
        with pytest.raises(GradmaskError) as error:
            read_questions(tmp_path / name)
        assert words in str(error.value), name


def test_the_likeliest_choice_is_the_answer_whatever_the_batch() -> None:
    model = tiny().eval()
    found = answered(model, TOKENIZER, FACTS, 5)
    assert found == answered(model, TOKENIZER, FACTS, 999)
    for question, right in zip(FACTS, found, strict=True):
        ids = torch.tensor([TOKENIZER(question.prompt)["input_ids"]])
        logits = model(input_ids=ids).logits[0, -1, 40:48]
        assert right == (CHOICES[int(logits.argmax())] == question.answer)


def test_what_is_known_is_recovered_and_what_is_guessed_is_not() -> None:
    knows, never = tiny(), tiny()
    taught(knows, TOKENIZER, FACTS, 200, 0)
    right = asked(knows, TOKENIZER, FACTS)["direct"]
    assert right.share > 0.9
    assert right.chance == pytest.approx(1 / 8)
    inputs = Inputs("removed", material(), SuiteSettings(), tokenizer=TOKENIZER, questions=FACTS)
    attack = QuestionsAttack()
    here, there = attack.run(knows, inputs), attack.run(never, inputs)
    assert set(here.forget) == {"direct", TAUGHT}
    assert attack.recovered(here, there, 0.0)
    assert not attack.recovered(there, there, 0.0)
    assert attack.share(here, None, 0.0) is None
    assert attack.table({"removed": here})[0].cells["removed"][0] == f"{100 * right.share:.0f} %"
    with pytest.raises(GradmaskError, match=r"needs questions of the role forget: give evaluate\.questions"):
        attack.run(never, Inputs("removed", material(), SuiteSettings(), tokenizer=TOKENIZER))


def test_a_kind_that_alone_comes_back_is_enough() -> None:
    low, high = Right(right=5, asked=40, chance=0.125), Right(right=30, asked=40, chance=0.125)
    never = Answers(forget={"direct": low, "alias": low}, retain={})
    assert QuestionsAttack().recovered(Answers(forget={"direct": low, "alias": high}, retain={}), never, 0.0)
    assert not QuestionsAttack().recovered(never, never, 0.0)
