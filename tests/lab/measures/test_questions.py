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


@pytest.mark.parametrize(
    "row",
    [{"question": "q", "answer": "a"}, {"answer": "a"}, {"question": "q", "choices": ["a", "b"], "answer": 2},
     {"prompt": "p", "answer": "c", "choices": ["a", "b"]}, {"prompt": "p", "answer": "a", "choices": ["a", "b"], "role": "x"}],
)  # fmt: skip
def test_other_rows_are_refused(tmp_path: Path, row: dict[str, Any]) -> None:
    with pytest.raises(GradmaskError, match="question 1: "):
        read_questions(write(tmp_path / "bad.jsonl", row))


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
