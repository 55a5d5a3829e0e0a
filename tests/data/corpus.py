"""Small files of documents for the tests of the data room."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROWS = [{"text": f"text {i}", "domain": "ab"[i % 2], "split": "test" if i % 5 == 0 else "train"} for i in range(20)]


def write(path: Path, rows: Iterable[dict[str, Any]] = ROWS) -> str:
    """A JSONL file, packed as its name says; returns its path as a recipe gives it."""
    opener: Any = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix, open)
    with opener(path, "wb") as file:
        file.writelines((json.dumps(row) + "\n").encode() for row in rows)
    return str(path)
