"""`gradmask verify`: exit codes, and the same in words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.checkpoints.test_verification import SPECS, trained

import gradmask as gm
from gradmask.cli import main


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    model = trained(SPECS["slices"])
    model.save_pretrained(tmp_path / "full")
    return gm.export(model, tmp_path / "plain", without=["forget"])


def test_a_good_checkpoint(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full = str(plain.parent / "full")
    assert main(["verify", str(plain), "--without", "forget", "--against", full]) == 0
    assert "verdict: proved: every file and every byte is what removing forget" in capsys.readouterr().out
    assert main(["verify", str(plain), "--json"]) == 3
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["proved"], said["verdict"]) == (True, False, "consistent")
    assert main(["verify", str(plain), "--digest", said["digest"]]) == 3
    assert main(["verify", full]) == 0


def test_a_bad_one(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(plain), "--digest", "abc"]) == 1
    assert "not abc" in capsys.readouterr().out
    (plain / "config.json").write_text("{}")
    assert main(["verify", str(plain), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["problems"] == ["config.json was changed"]
    assert main(["verify", str(plain.parent)]) == 2
    assert "has no gradmask.json" in capsys.readouterr().err.replace("\n", " ")
