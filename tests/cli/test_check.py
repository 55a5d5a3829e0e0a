"""``gradmask check`` on sound and on broken checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import gradmask as gm
from gradmask.cli import main
from tiny import tiny


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    model = gm.partition(tiny(num_hidden_layers=1), {"forget": gm.Slice(heads=2, neurons=8)})
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_sound_checkpoint(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(checkpoint)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("LlamaForCausalLM (retain")
    assert said.rstrip().endswith("everything holds")


def test_one_whose_weights_are_broken(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    name = next(n for n in weights if n.endswith("q_proj.weight"))
    weights[name] = torch.full_like(weights[name], float("nan"))
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    assert main(["check", str(checkpoint), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert any(finding["status"] == "fails" for finding in said["findings"])


def test_bad_input_is_named(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "prose.txt"
    text.write_text("a few words", encoding="utf-8")
    assert main(["check", str(checkpoint), "--text", str(text)]) == 2
    assert "has no tokenizer to read" in " ".join(capsys.readouterr().err.split())
    assert main(["check", str(tmp_path / "nowhere")]) == 2
    assert "there is no folder" in capsys.readouterr().err
