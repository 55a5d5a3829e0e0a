"""Under a launcher: commands whose processes work together run, others are refused once."""

from __future__ import annotations

import pytest

from gradmask.cli.app import main


@pytest.mark.parametrize("command", ["export", "attack", "label", "purge"])
def test_commands_of_one_process_are_refused(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert main([command, "runs/a"]) == 2
    assert f"2 processes of gradmask {command}, which would all do the same" in capsys.readouterr().err
    monkeypatch.setenv("RANK", "1")
    assert main([command, "runs/a"]) == 2  # without a word
    assert capsys.readouterr().err == ""


def test_others_are_not(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["recipes"]) == 0
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert main(["export", "no/such/run"]) == 2
    assert "would all do the same" not in capsys.readouterr().err
