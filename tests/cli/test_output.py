"""What a command prints, down to the file descriptors: our lines and nobody else's."""

from __future__ import annotations

import io
import signal
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from tests.lab.run.tiny_run import tiny_data

from gradmask.cli import main
from gradmask.cli.output import telling
from gradmask.lab.run.display import RichDisplay


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A recipe of one arm, whose run is ``run`` beside it."""
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({**tiny_data(tmp_path), "arms": ["gradmask"]}))
    return str(tmp_path / "r.yaml")


def test_nothing_but_our_own_lines(recipe: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No progress bars, log lines or warnings of other libraries, although those were imported before."""
    run = tmp_path / "run"
    assert main(["train", recipe]) == 0
    said = capfd.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert [line.split("   ")[0] for line in lines[:3]] == [f"gradmask step {n}/6" for n in (2, 4, 6)]
    assert lines[3:] == [f"trained: gradmask in {run}. Next: gradmask evaluate {run}"]
    assert main(["evaluate", str(run)]) == 0
    said = capfd.readouterr()
    assert said.err == ""
    assert said.out.splitlines()[-1] == f"report: {run}/report/index.html"
    assert main(["export", str(run), str(tmp_path / "plain")]) == 0
    said = capfd.readouterr()
    assert said.err.splitlines() == [f"{tmp_path}/plain holds {run}/arms/gradmask/model with all its groups"]


def test_long_work_is_told_of_now_and_then_in_a_file_and_always_in_a_terminal() -> None:
    times, out = iter([0.0, 1.0, 61.0, 61.0, 62.0, 130.0, 130.0]), io.StringIO()
    with telling(Console(file=out, width=80), "run: ", lambda: next(times)) as tell:
        for n in range(4):
            tell(f"job {n}")
    assert out.getvalue().splitlines() == ["run: job 1", "run: job 3"]
    screen = io.StringIO()
    with telling(Console(file=screen, force_terminal=True, width=80), "run: ") as tell:
        tell("job [9]")
    assert "run: job [9]" in screen.getvalue()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_training(
    recipe: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    code: int,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RichDisplay, "step", lambda self, step: signal.raise_signal(number) if step == 3 else None)
        assert main(["train", recipe]) == code
    assert capfd.readouterr().err.splitlines()[-2:] == [
        "stopping: the step is finished first, then a checkpoint saved; once more stops at once",
        f"stopped in {tmp_path}/run after step 3 of 6 of gradmask; the same command goes on from there",
    ]
    assert (tmp_path / "run/arms/gradmask/checkpoint-3/complete.json").is_file()
    assert main(["train", recipe]) == 0
    assert capfd.readouterr().err.startswith("gradmask goes on from step 3 of 6\n")


def test_a_signal_at_any_other_time(
    recipe: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradmask.lab.recipe.loading.load_recipe", lambda *_: signal.raise_signal(signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    assert main(["train", recipe]) == 143
    assert capfd.readouterr().err == "interrupted by SIGTERM\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_bad_data_leaves_nothing_that_stands_in_the_way(
    recipe: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    whole = corpus.read_text()
    corpus.write_text(whole + '{"text": \n')
    assert main(["train", recipe]) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert str(corpus) in said
    assert not (tmp_path / "run/data").exists()
    corpus.write_text(whole)
    assert main(["train", recipe, "--set", "train.steps=2"]) == 0
