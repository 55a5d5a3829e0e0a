"""Calling the command line in this process, and seeing all that it prints, below Python too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from gradmask.cli import main


@dataclass(frozen=True)
class Said:
    """What one call did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Terminal:
    """``gradmask("train", "recipe.yaml")``."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture

    def __call__(self, *arguments: object) -> Said:
        self.capture.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = self.capture.readouterr()
        return Said(code, captured.out, captured.err)
