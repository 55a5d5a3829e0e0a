"""What was run, and how it stands."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from filelock import FileLock

from gradmask.cli import main
from gradmask.lab.run.ending import recorded
from gradmask.lab.run.failures import Interrupted, RunError
from gradmask.lab.run.listing import ListedRun, list_runs


def folder(place: Path, name: str, trained: int = 1, started: int = 2, measured: bool = False) -> Path:
    """A run of two arms, as far as its files tell."""
    run = place / name
    (run / "data").mkdir(parents=True)
    (run / "recipe.yaml").write_text("arms: [gradmask, no_filter]\n")
    for i, arm in enumerate(("gradmask", "no_filter")[:started]):
        (run / "arms" / arm / ("model" if i < trained else "checkpoint-2")).mkdir(parents=True)
    if measured:
        headline = {"gap_closed": None, "gap_closed_to_filter": 0.92, "retain_difference": -0.241}
        ratios = {"compute": {"ratios": {"gradmask/removed": {"retain": {"value": 1.22}}}}}
        results = {"headline": headline, "findings": ratios, "verdict": {"outcome": "works at a price"}}
        (run / "results.json").write_text(json.dumps(results))
    return run


def ended(run: Path, error: BaseException | None = None) -> None:
    with pytest.raises(type(error)) if error else recorded(run), recorded(run):
        if error:
            raise error


def the_one(place: Path) -> ListedRun:
    (run,) = list_runs(place)
    return run


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (Interrupted(signal.SIGINT, "stopped"), "stopped", ""),
        (RunError("no room"), "failed", "no room"),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
    ],
)
def test_how_a_run_ended(tmp_path: Path, error: BaseException, state: str, message: str) -> None:
    ended(folder(tmp_path, "a"), error)
    assert (the_one(tmp_path).state, the_one(tmp_path).message) == (state, message)


def test_a_run_that_said_nothing_was_killed(tmp_path: Path) -> None:
    run = folder(tmp_path, "a")
    assert the_one(tmp_path).state == "killed"
    with recorded(run):
        assert the_one(tmp_path).state == "killed"
        with FileLock(run / ".lock"):
            assert the_one(tmp_path).state == "running"
    assert the_one(tmp_path).state == "killed", "an arm is missing all the same"


def test_what_is_there_counts_more_than_how_it_ended(tmp_path: Path) -> None:
    ended(folder(tmp_path, "a", trained=2), RunError("measuring failed"))
    assert the_one(tmp_path).state == "trained"


def test_before_the_first_arm(tmp_path: Path) -> None:
    run = folder(tmp_path, "a", started=0)
    assert the_one(tmp_path).state == "planned"
    ended(run, RunError("bad data"))
    assert the_one(tmp_path).state == "failed"


def test_runs_of_comparisons_are_found_and_nothing_inside_a_run(tmp_path: Path) -> None:
    folder(tmp_path, "x-compared/main/seed-0")
    (tmp_path / "x-compared/main/seed-0/data/old/data").mkdir(parents=True)
    (tmp_path / "x-compared/main/seed-0/data/old/recipe.yaml").touch()
    (tmp_path / "no-run").mkdir()
    (tmp_path / "no-run/recipe.yaml").touch()
    assert the_one(tmp_path).folder == str(tmp_path / "x-compared/main/seed-0")


def test_a_table_for_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(tmp_path, "runs/a[b]", trained=2, measured=True)
    ended(folder(tmp_path, "runs/c"), RunError("no room\nfor it"))
    monkeypatch.chdir(tmp_path)
    for width in (40, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        assert main(["runs"]) == 0
        said = capsys.readouterr()
        for words in (
            "runs/a[b]",
            "done",
            "works at a price",
            "2/2",
            "0.92",
            "-0.241 (1.22)",
            "runs/c",
            "failed",
            "1/2",
        ):
            assert words in said.out
        assert said.err == "runs/c failed: no room\n"
        assert max(map(len, said.out.splitlines())) <= width


def test_for_programs_and_where_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["runs", str(tmp_path)]) == 0
    assert f"no runs in {tmp_path}. To make one: gradmask demo" in capsys.readouterr().err
    folder(tmp_path, "a", trained=2, measured=True)
    assert main(["runs", str(tmp_path), "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert (said["state"], said["gap_closed"], said["price_compute"]) == ("done", 0.92, 1.22)
    assert main(["runs", str(tmp_path / "none")]) == 2
