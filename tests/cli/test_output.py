"""What a command prints, down to the file descriptors: our lines and nobody else's."""

from __future__ import annotations

import io
import logging
import signal
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from tests.lab.run.tiny_run import tiny_data

from gradmask.cli import main
from gradmask.cli.output import Messages
from gradmask.cli.terminal import Terminal
from gradmask.lab.progress import Lines, heading, messages_to, showing, status, step, track


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
    about, lines = said.err.splitlines()[:2], said.err.splitlines()[2:]
    assert [line.split(":")[0] for line in about] == ["data.simulate hides labels", "What each was given"]
    assert [line.split("   ")[0] for line in lines[:3]] == [f"gradmask step {n}/6" for n in (2, 4, 6)]
    assert lines[3:] == [f"trained gradmask in {run}. Next: gradmask evaluate {run}"]
    assert main(["evaluate", str(run)]) == 0
    said = capfd.readouterr()
    assert said.err.splitlines() == [f"Next: gradmask export {run} plain/run --without forget"]
    assert said.out.splitlines()[-1] == f"report: {run}/report/index.html"
    assert main(["export", str(run), str(tmp_path / "plain")]) == 0
    said = capfd.readouterr()
    done = f"exported {run}/arms/gradmask/model to {tmp_path}/plain, with all groups"
    assert said.err.splitlines() == [f"{done}. Next: gradmask verify {tmp_path}/plain --against {run}"]


def test_a_terminal_shows_what_is_being_done_and_messages_above_it() -> None:
    screen, logger = io.StringIO(), logging.getLogger("gradmask.lab.run")
    console = Console(file=screen, force_terminal=True, width=80)
    with messages_to(Messages(console)), showing(Terminal(console)), heading("run"):
        status("job [9]")
        logger.info("%d %% of [this]", 100)
        with track("arm [1]", 6, 2):
            step(3, loss="1.250")
            logger.warning("look here")
        status("job 10")
        status("")
    shown = screen.getvalue()
    parts = ("run: job [9]", "100 % of [this]", "arm [1]", "3/6", "loss 1.250", "look here", "run: job 10")
    assert [part for part in parts if part not in shown] == []
    assert shown.index("100 % of [this]") < shown.index("arm [1]") < shown.index("look here")
    status("nobody shows this")


def test_messages_of_the_library_are_shown_where_they_warn() -> None:
    out = io.StringIO()
    with messages_to(Messages(Console(file=out, width=20))):
        logging.getLogger("gradmask.model").info("a table")
        logging.getLogger("gradmask.model").warning("look at this, which is longer than the width")
    logging.getLogger("gradmask.lab").error("over")
    assert out.getvalue().splitlines() == ["look at this, which is longer than the width"]


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
        patch.setattr(
            Lines, "step", lambda self, done, fields=None: done == 3 and not fields and signal.raise_signal(number)
        )
        assert main(["train", recipe]) == code
    assert capfd.readouterr().err.splitlines()[-2:] == [
        "stopping: finishing this step and saving a checkpoint (interrupt again to stop at once)",
        f"stopped in {tmp_path}/run after step 3 of 6 of gradmask; run the same command again to resume",
    ]
    assert (tmp_path / "run/arms/gradmask/checkpoint-3/complete.json").is_file()
    assert main(["train", recipe]) == 0
    assert "gradmask resumes at step 3 of 6" in capfd.readouterr().err.splitlines()[:3]


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
