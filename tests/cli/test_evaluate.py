from __future__ import annotations

from pathlib import Path

import pytest

from gradmask.cli import main
from gradmask.lab.judge.acceptance import AcceptSpec
from gradmask.lab.judge.judging import verdict_of
from lab.measures.fabricated import results


@pytest.mark.parametrize(("asked", "code"), [(0.9, 0), (0.99, 1)])
def test_what_a_recipe_accepts_decides_the_exit_code(
    asked: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some = results()
    judged = some.model_copy(update={"verdict": verdict_of(some, AcceptSpec(gap_closed=asked))})
    monkeypatch.setattr("gradmask.cli.work.evaluate_folder", lambda folder, changes: (judged, Path("report.html")))
    assert main(["evaluate", "runs/x"]) == code
    said = capsys.readouterr()
    assert ("accept.gap_closed: needed at least 0.99, got 0.9" in said.err + said.out) is (code == 1)
