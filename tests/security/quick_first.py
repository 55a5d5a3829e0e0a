"""A plugin of pytest for rounds of mutants: those of the mutant's own file and room first, then the quickest.

Tests mirror the sources: ``partitioning/kernel/backward.py`` is tested by ``tests/partitioning/kernel/test_backward.py``. No more
than `SECONDS` of tests are run for a mutant.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

SECONDS = 20.0
"""A mutant that these tests let live counts as survived, whatever slower tests would say."""


def place(mutant: str) -> tuple[str, str]:
    """The tests of a mutant's room, and of its file: ``gradmask.routing.router.x__weigh__mutmut_1``."""
    parts = mutant.split(".")[1:-1]
    room = "/".join(["tests", *parts[:-1]])
    return f"{room}/", f"{room}/test_{parts[-1]}.py" if parts else ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    path = Path("mutmut-stats.json")  # the working directory is mutmut's copy
    taken = json.loads(path.read_text(encoding="utf-8"))["duration_by_test"] if path.exists() else {}
    room, file = place(os.environ.get("MUTANT_UNDER_TEST", ""))
    items.sort(
        key=lambda item: (
            not item.nodeid.startswith(file + "::"),
            not item.nodeid.startswith(room),
            taken.get(item.nodeid, 0.0),
        )
    )
    if os.environ.get("MUTANT_UNDER_TEST") in ("stats", "list_all_tests"):
        return
    seconds = 0.0
    for i, item in enumerate(items):
        seconds += taken.get(item.nodeid, 0.0)
        if i and seconds > SECONDS:
            config.hook.pytest_deselected(items=items[i:])
            del items[i:]
            return
