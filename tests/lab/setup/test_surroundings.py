"""The PATH, the output folder, caches and limits: each bad case is told with what to do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gradmask.lab.setup import surroundings
from gradmask.lab.setup.surroundings import caches_found, limits_found, output_found, path_found


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment's folder of programs, with gradmask in it."""
    folder = tmp_path / "env" / "bin"
    folder.mkdir(parents=True)
    (folder / "gradmask").write_text("#!/bin/sh\n")
    (folder / "gradmask").chmod(0o755)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(folder))
    monkeypatch.setattr(sys, "prefix", str(folder.parent))
    return folder


def test_the_path(scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(scripts))
    assert [f.status for f in path_found()] == ["ok"]
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = path_found()
    assert finding.text == "a shell does not find gradmask"
    assert finding.advice == f'export PATH="{scripts}:$PATH", or call {scripts}/gradmask'
    (scripts / "activate").write_text("")
    (tmp_path / "gradmask").write_text("#!/bin/sh\n")
    (tmp_path / "gradmask").chmod(0o755)
    (finding,) = path_found()
    assert finding.text == f"a shell finds another gradmask, {tmp_path}/gradmask"
    assert finding.advice == f"source {scripts}/activate, or call {scripts}/gradmask"
    (scripts / "gradmask").unlink()
    (finding,) = path_found()
    assert "does not exist" in finding.text


def test_the_output_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = output_found(tmp_path / "new/runs")
    assert finding.status == "ok"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    (finding,) = output_found(tmp_path / "file")
    assert finding.status == "problem"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    (finding,) = output_found(tmp_path / "runs")
    assert (finding.status, finding.text) == (
        "problem",
        f"files cannot be written in {tmp_path}: No space left on device",
    )


def test_offline_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (finding,) = caches_found()
    assert "offline (HF_HUB_OFFLINE" in finding.text
    for name in surroundings.OFFLINE:
        monkeypatch.delenv(name, raising=False)
    (finding,) = caches_found()
    assert finding.text == f"models and datasets by name are downloaded to {tmp_path}/hub"


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "_shared_memory", lambda: 64 << 20)
    monkeypatch.setattr(surroundings, "_open_files", lambda: 256)
    first, second = limits_found()
    assert first.text == "/dev/shm holds 64 MiB"
    assert second.advice == "ulimit -n 4096"
    monkeypatch.setattr(surroundings, "_shared_memory", lambda: 1 << 30)
    monkeypatch.setattr(surroundings, "_open_files", lambda: 4096)
    assert [f.status for f in limits_found()] == ["ok"]
