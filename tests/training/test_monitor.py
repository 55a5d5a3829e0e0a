"""`LabelMonitor` logs tokens per label and per group, and stops when a group never learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.stack import model, settings, tokenized
from transformers import Trainer, TrainerCallback, TrainingArguments

import gradmask as gm


def run(folder: Path, data: Any, *callbacks: Any, trained: Any = None, **changes: Any) -> Trainer:
    arguments = TrainingArguments(**settings(folder, logging_strategy="steps", logging_steps=1, **changes))
    made = Trainer(trained or model(), arguments, train_dataset=data, callbacks=list(callbacks))
    made.train()
    return made


class Tracker(TrainerCallback):
    """Stands where the callbacks of ``report_to`` stand: before those that a user adds."""

    def __init__(self) -> None:
        self.logs: list[dict[str, float]] = []

    def on_log(self, *args: Any, logs: dict[str, float], **kwargs: Any) -> None:
        self.logs.append(dict(logs))


def test_tokens_per_label_and_group_are_logged(tmp_path: Path) -> None:
    tracker = Tracker()
    done = run(tmp_path, tokenized([1, 0, -1, 1]), tracker, gm.LabelMonitor(), max_steps=4)
    rows = [log for log in done.state.log_history if "loss" in log]
    expected = {
        "tokens_labeled/forget": 4 * 2 * 9,
        "tokens_labeled/retain": 4 * 9,
        "tokens_labeled/unlabeled": 4 * 9,
        "tokens_learned/forget": 4 * 3 * 9,
        "tokens_learned/retain": 4 * 2 * 9,
        "tokens_learned/joint": 4 * 4 * 9,
    }
    assert {key: sum(row[key] for row in rows) for key in expected} == expected
    assert all(set(expected) <= set(log) for log in tracker.logs if "loss" in log)


def test_padding_and_tokens_without_a_target_do_not_count(tmp_path: Path) -> None:
    data = tokenized(1).map(lambda row: {"labels": [-100] * 4 + row["labels"][4:]})
    done = run(tmp_path, data, gm.LabelMonitor())
    assert [x["tokens_learned/forget"] for x in done.state.log_history if "loss" in x] == [20, 20]


def test_labels_per_token(tmp_path: Path) -> None:
    data = tokenized([[1, 1, 0, 0, 0, -1, -1, -1, -1]])
    done = run(tmp_path, data, gm.LabelMonitor(), max_steps=1)
    row = done.state.log_history[0]
    assert [row[f"tokens_labeled/{name}"] for name in ("forget", "retain", "unlabeled")] == [8, 12, 16]
    assert [row[f"tokens_learned/{name}"] for name in ("forget", "retain")] == [24, 28]


def test_evaluation_is_not_counted(tmp_path: Path) -> None:
    data = tokenized(1)
    arguments = TrainingArguments(
        **settings(tmp_path, logging_strategy="steps", logging_steps=1, eval_strategy="steps", eval_steps=1)
    )
    made = Trainer(model(), arguments, train_dataset=data, eval_dataset=data, callbacks=[gm.LabelMonitor()])
    made.train()
    assert [x["tokens_labeled/forget"] for x in made.state.log_history if "loss" in x] == [36, 36]
    assert all("tokens_labeled/forget" not in x for x in made.state.log_history if "eval_loss" in x)


def test_a_group_that_never_learns_stops_the_training(tmp_path: Path) -> None:
    with pytest.raises(
        gm.GradmaskError,
        match=r"group 'forget' learned from no token in the steps 1 to 2: is any example labeled 'forget'.*'retain': 72",
    ):
        run(tmp_path, tokenized(0), gm.LabelMonitor(patience=2), max_steps=4)


@pytest.mark.parametrize(("data", "groups"), [([1, 0], None), (0, ["retain"])])
def test_groups_that_learn_go_on(data: Any, groups: list[str] | None, tmp_path: Path) -> None:
    done = run(tmp_path, tokenized(data), gm.LabelMonitor(patience=2, groups=groups), max_steps=4)
    assert done.state.global_step == 4


def test_it_leaves_nothing_behind_and_changes_no_number(tmp_path: Path) -> None:
    found = []
    for callbacks in ([gm.LabelMonitor()], []):
        done = run(tmp_path, tokenized([1, 0, -1]), *callbacks)
        assert done.model.gradmask.observer is None
        found.append(torch.cat([p.flatten() for p in done.model.parameters()]))
    assert torch.equal(*found)


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(gm.GradmaskError, match="patience=0: give the number of steps, at least 1"):
        gm.LabelMonitor(patience=0)
    with pytest.raises(gm.GradmaskError, match="unknown group 'forgte' to monitor; one of retain, "):
        run(tmp_path, tokenized(1), gm.LabelMonitor(groups=["forgte"]))
    with pytest.raises(gm.GradmaskError, match="this LlamaForCausalLM is not partitioned"):
        run(tmp_path, tokenized(1), gm.LabelMonitor(), trained=gm.unpartition(model()))
