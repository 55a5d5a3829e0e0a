from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from gradmask.lab.measures.results import Results
from gradmask.lab.report.drawn import Drawn, write_figures
from gradmask.lab.report.html import NAMED, write_report
from lab.measures.fabricated import measured


@dataclass(frozen=True)
class Written:
    """A report that was made once for all tests: its folder, its page, and its figures."""

    results: Results
    folder: Path
    text: str
    drawn: Mapping[str, Drawn]


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Written:
    results, folder = measured(), tmp_path_factory.mktemp("report")
    kept: dict[str, Drawn] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "gradmask.lab.report.html.write_figures", lambda *given: kept.update(write_figures(*given)) or kept
        )
        text = write_report(results, folder).read_text(encoding="utf-8")
    assert list(kept) == list(NAMED)
    return Written(results, folder, text, kept)
