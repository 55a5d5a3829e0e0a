from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.docs.blocks import blocks

import gradmask as gm
from gradmask.lab.measures.local_tasks import LocalTask
from gradmask.lab.measures.questions import answered, read_questions
from gradmask.lab.measures.tasks import evaluate_tasks
from lab.measures.fabricated import word_tokenizer
from tiny import tiny

TASK = """
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: answer
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""

needs_harness = pytest.mark.skipif(
    find_spec("lm_eval") is None, reason="needs lm-evaluation-harness: gradmask[lm-eval]"
)


@pytest.fixture
def quiz(tmp_path: Path) -> Path:
    """A task of four invented questions."""
    rows = [{"question": f"w{5 + i} w6", "choices": ["w7", "w9"], "answer": i % 2} for i in range(4)]
    data = tmp_path / "quiz.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "gradmask_quiz.yaml").write_text(TASK.format(name="gradmask_quiz", data=data), encoding="utf-8")
    return tmp_path


@needs_harness
def test_an_own_task_is_answered_by_every_view(quiz: Path) -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=16)})
    for view in ("full", "removed"):
        found = evaluate_tasks(model, word_tokenizer(), ["gradmask_quiz"], view, str(quiz))
        assert found["gradmask_quiz"]["acc"] in (0.0, 0.25, 0.5, 0.75, 1.0)
    assert gm.is_partitioned(model)


@needs_harness
def test_a_file_of_questions_is_a_task(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Scored as by our own arithmetic; nothing is left in caches, and nothing of the harness's is shown."""
    rows = [{"question": f"w{5 + i}", "choices": ["w7", "w9", "w11"], "answer": i % 3} for i in range(9)]
    path = tmp_path / "own quiz.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    model, tokenizer = tiny().eval(), word_tokenizer()
    found = evaluate_tasks(model, tokenizer, [str(path), LocalTask(str(path), letters=True, name="lettered")])
    right = sum(answered(model, tokenizer, read_questions(path)))
    assert found["own_quiz"]["acc"] == pytest.approx(right / 9)
    assert set(found) == {"own_quiz", "lettered"}
    assert set(found["own_quiz"]) == {"acc", "acc_stderr", "acc_norm", "acc_norm_stderr"}
    assert capfd.readouterr().err == ""


@needs_harness
def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = [b for b in blocks("python", run=False) if b.page == "docs/evidence.md" and "LocalTask" in b.code]
    row = {"question": "w5", "choices": ["w7", "w9"], "answer": 0}
    (tmp_path / "questions.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=16)})
    exec(block.code, {"model": model, "tokenizer": word_tokenizer()})


@needs_harness
def test_an_unknown_task_is_named(quiz: Path) -> None:
    with pytest.raises(gm.GradmaskError, match="knows no task no_such_task: see lm_eval ls tasks"):
        evaluate_tasks(tiny(), word_tokenizer(), ["no_such_task"], path=str(quiz))


@pytest.mark.skipif(find_spec("lm_eval") is not None, reason="lm-evaluation-harness is installed")
def test_without_the_harness_its_extra_is_named() -> None:
    with pytest.raises(gm.GradmaskError, match=r"which is not installed: pip install 'gradmask\[lm-eval\]'"):
        evaluate_tasks(tiny(), word_tokenizer(), ["x"])
