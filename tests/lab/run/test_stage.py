"""A stretch of training: what it saves, and who does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import PreTrainedModel

from gradmask.lab.run.stage import save_alone
from tiny import tiny


def test_a_process_that_is_not_the_first_saves_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transformers would write no weights and no configuration there, and say nothing."""
    monkeypatch.setattr(PreTrainedModel, "should_save_on_this_rank", lambda self, is_main_process: False)
    tokenizer = SimpleNamespace(save_pretrained=lambda folder: None)
    prepared: Any = SimpleNamespace(tokenizer=tokenizer, fingerprint="")
    model = tiny()
    model.save_pretrained(tmp_path / "plain")
    assert not (tmp_path / "plain/config.json").exists()
    save_alone(model, tmp_path / "model", prepared)
    assert {"config.json", "model.safetensors"} <= {path.name for path in (tmp_path / "model").iterdir()}
    assert not model.should_save_on_this_rank(True), "as before"
