"""``gradmask doctor``: a line per check, what to do, and an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tests.lab.run.tiny_run import tiny_data

from gradmask.cli import main
from gradmask.lab.setup.machine import Machine


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, str]]]:
    """Area -> its findings."""
    by_area: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(capsys.readouterr().out)["findings"]:
        by_area.setdefault(finding["area"], []).append(finding)
    return by_area


def test_an_installation(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["doctor", "--output", str(tmp_path / "runs")]) == 0
    shown = capsys.readouterr().out
    assert "ok       python" in shown
    assert "0 problems" in shown.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(tiny_data(tmp_path)))
    given = ["doctor", str(tmp_path / "r.yaml"), "--json"]
    assert main(given) == 0
    found = said(capsys)
    assert "1 file" in found["data.sources.0"][0]["text"]
    assert found["memory for it"][0]["status"] == found["disk for it"][0]["status"] == "ok"
    monkeypatch.setattr("gradmask.lab.setup.recipe_check.this_machine", lambda: Machine(1, 1000, 1000))
    (tmp_path / "corpus.jsonl").unlink()
    assert main(given) == 1
    found = said(capsys)
    assert "there is no file" in found["data.sources.0"][0]["text"]
    assert "halve train.batch_size" in found["memory for it"][0]["advice"]


def test_a_recipe_whose_labels_are_not_made_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "package_docs", "--json"]) == 1
    (finding,) = said(capsys)["data.sources.0"]
    assert finding["status"] == "problem"
    assert finding["advice"].startswith("gradmask label writes it")


def test_a_recipe_with_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(tiny_data(tmp_path) | {"arms": []}))
    assert main(["doctor", str(tmp_path / "r.yaml"), "--json"]) == 1
    (finding,) = said(capsys)["recipe"]
    assert finding["status"] == "problem"
    assert "arms" in finding["text"]
