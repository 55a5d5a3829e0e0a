"""The code on the page about labels runs, and does what its comments say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.python_pages import run_page

from gradmask.data.label import scorer_names

PAGE = Path(__file__).parents[3] / "docs" / "labeling.md"


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_page("docs/labeling.md", tmp_path, monkeypatch)
    assert names["labeler"].names(names["labels"]) == ["spanish", "retain", None]
    assert names["story"][names["start"] : names["end"]].strip() == names["spanish"][0].strip()
    assert names["first"].scores([names["spanish"][0]])[0, 0] > 0.5
    assert (tmp_path / "labeler" / "labeler.json").exists()


def test_every_scorer_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)(?::\w+)?` \|", page.partition("## Other scorers")[2], re.MULTILINE)
    assert sorted(listed) == scorer_names()
