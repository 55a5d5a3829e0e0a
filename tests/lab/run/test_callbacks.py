from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from gradmask.lab.run.callbacks import CurveCallback


@pytest.mark.parametrize(("since", "first"), [((), 2), ((1.0,), 4)], ids=["training", "consolidation"])
def test_a_run_that_leads_nowhere_says_so_once(
    since: tuple[float, ...], first: int, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[Any] = []
    writer: Any = SimpleNamespace(log=log, line=lambda step, **known: {"step": step, **known})
    idle = {"full": {"en": 4.0, "es": 4.0}, "removed": {"en": 4.0, "es": 4.0}}
    callback = CurveCallback(lambda model: idle, 1, writer, {"en": "retain", "es": "forget"}, "gradmask", *since)
    with caplog.at_level(logging.WARNING):
        for step in range(1, 5):
            state: Any = SimpleNamespace(global_step=step, max_steps=4)
            callback.on_step_end(Any, state, Any, model=None)  # type: ignore[arg-type]
            assert ("holds nothing yet" in caplog.text) is (step >= first)
    assert caplog.text.count("holds nothing yet") == 1
    assert len(log) == 4
