"""What only the installed libraries, the machine and the kind of model can tell, found before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.lab.run.tiny_run import tiny_data

from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.problems import RecipeError


def said(folder: Path, *changes: str) -> str:
    with pytest.raises(RecipeError) as caught:
        make_recipe(tiny_data(folder), "r.yaml", changes)
    return str(caught.value)


def test_half_precision_needs_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    text = said(tmp_path, "train.precision=fp16")
    assert "train.precision  given 'fp16', which needs a CUDA device: use bf16 or fp32" in text
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    make_recipe(tiny_data(tmp_path), changes=["train.precision=fp16"])


def test_trackers_are_known_and_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradmask.lab.recipe.trial.get_available_reporting_integrations", lambda: ["tensorboard"])
    text = said(tmp_path, "train.report_to=[tensorboard, wandb, tensorbord]")
    assert "r.yaml has 2 problems:" in text
    assert "train.report_to  'wandb' is not installed: pip install wandb" in text
    assert "train.report_to  no such tracker: 'tensorbord'. Did you mean 'tensorboard'? Known: " in text


def test_a_model_that_sees_the_future_is_refused(tmp_path: Path) -> None:
    text = said(tmp_path, "model.config={model_type: bert}")
    assert (
        "model.config.is_decoder  given None, needed: true; otherwise a bert model sees the tokens that it should predict"
        in text
    )


def test_self_labeling_is_a_switch_or_its_settings(tmp_path: Path) -> None:
    def labeling(value: str) -> object:
        change = f"partition.self_labeling={value}"
        return make_recipe(tiny_data(tmp_path), changes=[change], trial=False).partition.self_labeling

    assert labeling("false") is None
    assert labeling("true") == labeling("{}")
    assert labeling("{after: 3}") != labeling("true")
    assert "unknown key. Did you mean 'after'?" in said(tmp_path, "partition.self_labeling={aftr: 3}")
