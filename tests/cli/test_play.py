"""``gradmask play`` as far as it goes without a browser; the page in one: `tests/cli/playing`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from gradmask.cli import main
from lab.play.small import plain, saved


def said_by(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["play", *arguments]) == 2
    return " ".join(capsys.readouterr().err.split())


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("gradmask.cli.play.find_spec", lambda name: None)
    assert said_by(capsys, "runs/demo") == "error: gradmask play needs Gradio: pip install 'gradmask[play]'"


@pytest.fixture
def with_gradio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradmask.cli.play.require_gradio", lambda: None)


@pytest.mark.usefixtures("with_gradio")
def test_what_to_play_must_be_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["runs/demo", "--model", "a"], ["runs/demo", "--against", "b"], ["--against", "b"]):
        assert "give either a run (gradmask play runs/demo), or --model" in said_by(capsys, *arguments)
    assert "holds no run" in said_by(capsys, str(tmp_path))
    assert "there is no folder" in said_by(capsys, "--model", str(tmp_path / "nowhere"))


@pytest.mark.usefixtures("with_gradio")
def test_a_model_that_cannot_be_opened_is_told_before_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = saved(plain(), tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"torn")
    assert "cannot be opened" in said_by(capsys, "--model", str(folder))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="needs gradio: pip install 'gradmask[play]'")
def test_gradio_is_imported_by_the_page_alone() -> None:
    code = "import sys, gradmask.cli.app, gradmask.cli.play, gradmask.lab.play.showing; print('gradio' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"
