"""Bad input gives one message, the right exit code, and no traceback."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.terminal import Terminal

from gradmask.train.display import RichDisplay


def test_a_recipe_with_three_mistakes(recipe: Path, gradmask: Terminal) -> None:
    changes = ["--set", "train.stepps=3", "--set", "evaluate.alpha=-1", "--set", "partition.groups.forget.heads=9"]
    said = gradmask("train", recipe, *changes)
    assert said.code == 2
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0] == f"error: {recipe} has 3 problems:"
    assert [line.split()[0] for line in lines[1:]] == ["evaluate.alpha", "partition", "train.stepps"]
    assert not (recipe.parent / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["train", "none.yaml"], "error: there is no recipe none.yaml: give the path of a YAML file"),
        (["evaluate", "none"], "error: none holds no run (no recipe.yaml)"),
        (["report", "none"], "error: there is no none/results.json: evaluate the run first"),
        (["export", "none", "out"], "error: there is no folder none: give a run, or a checkpoint with gradmask.json"),
        (["export", ".", "out"], "error: . is no run (no recipe.yaml) and no partitioned checkpoint"),
        (["export", "none", "."], "error: . exists and is not empty: choose another folder, or replace it with --overwrite"),
    ],
)  # fmt: skip
def test_bad_input(
    arguments: list[str], text: str, gradmask: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "something").touch()
    monkeypatch.chdir(tmp_path)
    said = gradmask(*arguments)
    assert said.code == 2
    assert said.err.startswith(text)
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["trian"], ["train"], ["train", "--foo"], []])
def test_bad_usage(arguments: list[str], gradmask: Terminal) -> None:
    said = gradmask(*arguments)
    assert said.code == 2
    assert "Usage: gradmask" in said.out + said.err


def test_bad_data_leaves_no_run_behind(recipe: Path, gradmask: Terminal) -> None:
    corpus = recipe.parent / "corpus.jsonl"
    whole = corpus.read_text()
    corpus.write_text(whole + '{"text": \n')
    said = gradmask("train", recipe)
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert f"{corpus}" in said.err
    assert not (recipe.parent / "run/data").exists()
    corpus.write_text(whole)
    assert gradmask("train", recipe, "--set", "train.steps=2", "--set", "arms=[filter]").code == 0


def test_errors_for_programs(gradmask: Terminal, tmp_path: Path) -> None:
    said = gradmask("evaluate", tmp_path, "--json")
    assert said.code == 2
    assert said.json["exit_code"] == 2
    assert said.json["error"].startswith(f"{tmp_path} holds no run")


def test_a_traceback_only_where_it_is_asked_for(gradmask: Terminal, tmp_path: Path) -> None:
    assert "Traceback" not in gradmask("evaluate", tmp_path).err
    for arguments in (["--debug", "evaluate", tmp_path], ["evaluate", tmp_path, "--debug"]):
        said = gradmask(*arguments)
        assert said.code == 2
        assert "Traceback (most recent call last)" in said.err
        assert "GradmaskError" in said.err


def test_the_unexpected_is_one_message_too(recipe: Path, gradmask: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("gradmask.train.loading.load_recipe", broken)
    said = gradmask("train", recipe)
    assert (said.code, said.err) == (1, "unexpected ZeroDivisionError: by zero\nRun again with --debug to see where\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_training(
    recipe: Path, gradmask: Terminal, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    def step(self: RichDisplay, step: int) -> None:
        if step == 3:
            signal.raise_signal(number)

    arms = ["--set", "arms=[gradmask]"]
    with monkeypatch.context() as patch:
        patch.setattr(RichDisplay, "step", step)
        said = gradmask("train", recipe, *arms)
    run = recipe.parent / "run"
    assert said.code == code
    assert said.err.splitlines()[-2:] == [
        "stopping: the step is finished first, then a checkpoint saved; once more stops at once",
        f"stopped in {run} after step 3 of 6 of gradmask; the same command goes on from there",
    ]
    assert (run / "arms/gradmask/checkpoint-3/complete.json").is_file()
    again = gradmask("train", recipe, *arms)
    assert again.code == 0
    assert again.err.splitlines()[0] == "gradmask goes on from step 3 of 6"


def test_a_signal_at_any_other_time(recipe: Path, gradmask: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradmask.train.loading.load_recipe", lambda *_: signal.raise_signal(signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    said = gradmask("train", recipe, "--json")
    assert (said.code, said.err) == (143, "interrupted by SIGTERM\n")
    assert said.json == {"error": "interrupted by SIGTERM", "exit_code": 143}
    assert signal.getsignal(signal.SIGTERM) is before


def test_nothing_heavy_is_imported_before_a_command_needs_it() -> None:
    code = (
        "import json, sys, gradmask.cli\n"
        "try: gradmask.cli.main(['train', '--help'])\n"
        "finally: print(json.dumps([m for m in ('torch', 'transformers', 'datasets', 'matplotlib') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize("command", ["demo", "train", "evaluate", "export", "report"])
def test_help_with_examples(command: str, gradmask: Terminal) -> None:
    said = gradmask(command, "--help")
    assert said.code == 0
    assert f"gradmask {command}" in said.out.split("Examples:")[1]
    assert command in gradmask("--help").out


def test_version(gradmask: Terminal) -> None:
    import gradmask as gm

    assert gradmask("--version").out == f"{gm.__version__}\n"
