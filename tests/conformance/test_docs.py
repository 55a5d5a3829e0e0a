"""docs/conformance.md quotes what the checks say; tests/docs runs its code."""

from __future__ import annotations

import re
from pathlib import Path

from gradmask.conformance import Finding

DOCS = Path(__file__).parents[2] / "docs"


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
