from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from gradmask.cli.review import review
from gradmask.errors import GradmaskError


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_without_a_terminal_it_says_what_to_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Screen())
    monkeypatch.setattr(sys, "stdout", Screen())
    monkeypatch.setattr(sys, name, io.StringIO("f\nr\n"))
    with pytest.raises(
        GradmaskError, match=f"standard {'input' if name == 'stdin' else 'output'} is none: run it in a terminal"
    ):
        review(tmp_path)
