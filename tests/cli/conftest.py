from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.cli.terminal import Terminal
from tests.train.tiny_run import tiny_data


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A tiny recipe's file, whose run is ``run`` beside it."""
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_data(tmp_path)), encoding="utf-8")
    return path


@pytest.fixture
def gradmask(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The command, called in this process."""
    for name, value in {"COLUMNS": "200", "TERM": "dumb", "TOKENIZERS_PARALLELISM": "false"}.items():
        monkeypatch.setenv(name, value)
    return Terminal(capfd)
