"""The run's log: one JSON line per event, safe against a kill at any moment."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradmask.files import write_whole


class RunLog:
    """``log.jsonl`` of one arm.

    Every line holds ``step``, ``tokens`` and ``seconds`` (spent training so far). Lines with ``loss`` (mean since the
    line before, nats per token) hold ``learning_rate`` and ``grad_norm`` too. Lines with ``domain_loss`` are points of
    the training curve: ``full`` and ``removed`` -> domain -> held-out loss. ``writes``: False in all but one process.
    """

    def __init__(self, path: Path, writes: bool = True) -> None:
        self.path, self.writes = path, writes

    def rewind(self, step: int) -> float:
        """Drop lines after ``step`` and a torn last line; returns the seconds spent until then."""
        kept = [line for line in self.lines() if line["step"] <= step]
        if self.path.exists() and self.writes:
            write_whole(self.path, "".join(json.dumps(line) + "\n" for line in kept))
        return max((line.get("seconds", 0.0) for line in kept), default=0.0)

    def append(self, line: dict[str, Any]) -> None:
        """Add a line and hand it to the operating system."""
        if not self.writes:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines that are whole."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8", errors="replace") as file:
            for text in file:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict) and isinstance(line.get("step"), int):
                    yield line
