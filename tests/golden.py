"""Values made with published code, beside a checkout. What needs them skips where they are absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "golden"


def golden(name: str) -> Any:
    """A file of golden values as plain data."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"the golden values are not here: ../shared/golden/{name}")
    return json.loads(path.read_text(encoding="utf-8"))
