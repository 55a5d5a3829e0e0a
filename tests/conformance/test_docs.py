"""The code in the docs runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gradmask.conformance import Finding, Report

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["composition.md", "conformance.md", "policies.md"])
def test_every_block_of_a_page_runs(page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)  # our own page
    assert isinstance(names.get("report", Report("", {})), Report)


def test_the_page_quotes_the_report_as_it_is() -> None:
    """Every sentence that the page says a fault is reported with is asserted by the fault's test."""
    page = (DOCS / "conformance.md").read_text(encoding="utf-8").replace(r"\*", "*")  # as rendered
    faults = (Path(__file__).parent / "test_faults.py").read_text(encoding="utf-8")
    quotes = re.findall("“(.+?)”", page.split("## What it catches")[1])
    assert len(quotes) >= 13
    words = re.sub(r"\s+", " ", faults)
    for quote in quotes:
        for part in re.split(r"\.\.\.\)?", quote):
            assert part.strip() in words, part


def test_names_are_cut_short() -> None:
    finding = Finding("coverage", "fails", "lost", tuple("abcdefg"))
    assert str(finding) == "lost: a, b, c, d, e and 2 more"
