from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import gradmask as gm
from checkpoints.importing.published import gpt_neo, gram_state, write_gram, write_sgtm
from checkpoints.importing.test_gram import LABELS, MODEL, SIZES
from checkpoints.trained import logits
from gradmask.cli import main


def test_sgtm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = gpt_neo()
    write_sgtm(tmp_path / "run", model)
    out = tmp_path / "imported"
    assert main(["import", str(tmp_path / "run"), str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "folder": str(out),
        "from": str(tmp_path / "run"),
        "policy": "sgtm",
        "groups": ["retain", "joint", "forget"],
    }
    assert torch.equal(logits(gm.load(out)), logits(model))
    assert gm.load(out).gradmask.exact  # type: ignore[union-attr]
    assert gm.verify(out).ok
    assert main(["import", str(tmp_path / "run"), str(out)]) == 2
    assert main(["import", str(tmp_path / "run"), str(out), "--overwrite", "--optimizer", "split"]) == 0
    assert gm.load(out).gradmask.exact == "split"  # type: ignore[union-attr]
    assert main(["import", str(tmp_path / "run"), str(tmp_path / "other"), "--optimizer", "adam"]) == 2
    assert main(["export", str(out), str(tmp_path / "plain"), "--without", "forget"]) == 0


def test_gram(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = gram_state(**SIZES)
    state["blocks.1.moe.experts.2.c_proj.bias"] = torch.ones(32)
    source = write_gram(tmp_path, state, LABELS, MODEL)
    out = tmp_path / "imported"
    assert main(["import", str(source), str(out), "--modules", "a, b"]) == 2
    assert not out.exists()
    assert main(["import", str(source), str(out), "--modules", "a, b", "--biases-as-neurons"]) == 0
    assert "policy gram" in caplog.messages[-1]
    model: Any = gm.load(out)
    assert list(gm.groups(model)) == ["retain", "joint", "a", "b"]


def test_what_is_not_published_is_refused(tmp_path: Path) -> None:
    gpt_neo().save_pretrained(tmp_path / "plain")
    assert main(["import", str(tmp_path / "plain"), str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()
