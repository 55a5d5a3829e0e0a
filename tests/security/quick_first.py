"""A plugin of pytest for rounds of mutants: the quickest tests first, and no more than `SECONDS` of them for a mutant."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

SECONDS = 12.0
"""A mutant that these tests let live counts as survived, whatever slower tests would say."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    path = Path("mutmut-stats.json")  # the working directory is mutmut's copy
    taken = json.loads(path.read_text(encoding="utf-8"))["duration_by_test"] if path.exists() else {}
    items.sort(key=lambda item: taken.get(item.nodeid, 0.0))
    if os.environ.get("MUTANT_UNDER_TEST") in ("stats", "list_all_tests"):
        return
    seconds = 0.0
    for i, item in enumerate(items):
        seconds += taken.get(item.nodeid, 0.0)
        if i and seconds > SECONDS:
            config.hook.pytest_deselected(items=items[i:])
            del items[i:]
            return
