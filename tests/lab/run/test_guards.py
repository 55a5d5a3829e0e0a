"""Guards: they name the group, the labels and the step, and leave good runs alone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.lab.run.tiny_run import Doing, tiny_recipe
from tests.tiny import tiny
from transformers import Trainer, TrainerCallback, TrainingArguments

import gradmask as gm
from gradmask.errors import GradmaskError
from gradmask.lab.run.driver import train
from gradmask.lab.run.failures import RunError
from gradmask.lab.run.guards import GroupGuard, check_labels, rms


def trainer(folder: Path, labels: list[int], guard: GroupGuard, spoil: Any = None, **arguments: Any) -> Trainer:
    """A hand-written Trainer whose step ``n`` sees one batch of label ``labels[n]``."""
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=2, neurons=8)})
    ids = torch.randint(0, 64, (len(labels), 8)).tolist()
    data = [{"input_ids": row, "labels": row, "data_labels": label} for row, label in zip(ids, labels, strict=True)]

    class Ordered(Trainer):
        def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
            return torch.utils.data.SequentialSampler(data)  # type: ignore[arg-type]

    settings: dict[str, Any] = {
        "per_device_train_batch_size": 1, "max_steps": len(labels), "logging_steps": 1, "save_strategy": "no", "use_cpu": True,
        "report_to": [], "disable_tqdm": True, "remove_unused_columns": False, "learning_rate": 1e-3,
    }  # fmt: skip
    made = Ordered(
        model,
        TrainingArguments(str(folder), **{**settings, **arguments}),
        train_dataset=data,
        callbacks=[guard],  # type: ignore[arg-type]
    )
    if spoil is not None:
        spoil(made)
    return made


def nan_in(group: str, at: int) -> Any:
    """A gradient of the group is made NaN during the backward pass of a step."""

    def prepare(trainer: Trainer) -> None:
        def spoil(gradient: torch.Tensor) -> torch.Tensor:
            return gradient * float("nan") if trainer.state.global_step + 1 == at else gradient

        for name, p in gm.groups(trainer.model)[group].items():  # type: ignore[arg-type]
            if "mlp" in name:
                p.register_hook(spoil)
                return

    return prepare


def test_a_good_run_is_left_alone(tmp_path: Path) -> None:
    guard = GroupGuard()
    trainer(tmp_path, [1, 0, -1, 1], guard).train()
    assert {name: int(first) for name, first in guard.first.items()} == {"forget": 0, "retain": 0}
    assert guard.labels == {1: [1], 2: [0], 3: [-1], 4: [1]}


@pytest.mark.parametrize(
    ("group", "step", "label"), [("forget", 3, "forget"), ("retain", 2, "retain"), ("retain", 4, "unlabeled")]
)
def test_a_gradient_that_is_not_finite_is_told_with_its_group_label_and_step(
    tmp_path: Path, group: str, step: int, label: str
) -> None:
    with pytest.raises(RunError) as caught:
        trainer(tmp_path, [1, 0, 1, -1, 1], GroupGuard(), nan_in(group, step)).train()
    assert f"the gradient of {group} is not finite at step {step}, whose batch was labeled {label}" in str(caught.value)


def test_the_first_step_is_told_though_it_is_read_later(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match="the gradient of retain is not finite at step 2, whose batch was labeled retain"
    ):
        trainer(tmp_path, [1, 0, 1, 0, 1, 0], GroupGuard(), nan_in("retain", 2), logging_steps=5).train()


def test_weights_that_explode_are_told(tmp_path: Path) -> None:
    class BlowUp(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 2:
                with torch.no_grad():
                    for p in gm.groups(kwargs["model"])["forget"].values():
                        p.mul_(1e4)

    with pytest.raises(
        RunError,
        match=r"the weights of 'forget' explode: .* at step [23], .*labeled retain.*train.group_learning_rates",
    ):
        trainer(tmp_path, [0, 0, 0], GroupGuard(), lambda made: made.add_callback(BlowUp())).train()


def test_a_plain_model_has_no_groups_to_guard(tmp_path: Path) -> None:
    arguments = TrainingArguments(str(tmp_path), report_to=[], use_cpu=True, max_steps=1)
    with pytest.raises(GradmaskError, match="GroupGuard needs a partitioned model"):
        Trainer(tiny(), arguments, train_dataset=[{"input_ids": [1, 2]}], callbacks=[GroupGuard()]).train()  # type: ignore[arg-type]


def test_labels_are_checked_before_the_run(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        check_labels(np.array([1, 2, 0, -1]), ["a", "b"])
        assert caplog.records == []
        check_labels(np.array([1, 2, -1]), ["a", "b"])
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert "no training example is labeled retain" in warning.getMessage()
    with pytest.raises(GradmaskError, match=r"no training example is labeled 'b' \(labels that occur: a, retain\)"):
        check_labels(np.array([0, 1]), ["a", "b"])


def test_a_run_whose_labels_miss_a_group_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(GradmaskError, match="no training document is labeled 'forget'"):
        train(tiny_recipe(tmp_path, "arms=[gradmask]", "data.simulate.undiscovered=1.0"))
    display = Doing()
    display.train(
        tiny_recipe(tmp_path, "arms=[gradmask]", "data.simulate.retain_labeled=0", "output=" + str(tmp_path / "b"))
    )
    assert any("no training example is labeled retain" in m for m in display.messages)


def test_root_mean_square() -> None:
    assert rms([torch.nn.Parameter(torch.tensor([3.0, 4.0])), torch.nn.Parameter(torch.zeros(2))]) == pytest.approx(2.5)
    assert rms([]) == 0.0
