"""The program: quick to start, helpful, and clear when something is wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.lab.run.tiny_run import tiny_data

from gradmask.cli import app, main
from gradmask.errors import GradmaskError
from gradmask.lab.run.failures import Interrupted, RunError

COMMANDS = ("demo", "train", "evaluate", "attack", "export", "report")


def test_nothing_heavy_is_imported_before_a_command_runs() -> None:
    script = (
        "import sys; from gradmask.cli import main; code = main(['train', '--help']); "
        "print(code, [m for m in ('torch', 'transformers', 'datasets', 'vl_convert') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "0 []"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    said = capsys.readouterr().out
    assert "Examples:" in said
    assert f"gradmask {command} " in said or f"gradmask {command}\n" in said.replace(" \n", "\n")
    assert "--json" in said


def test_the_overview_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for command in COMMANDS:
        assert command in said
    assert (
        "Exit codes: 0 done; 1 it failed, or a check did; 2 wrong usage or input; 3 not proved (verify); 130, 143"
        in said
    )


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip()[0].isdigit()


@pytest.mark.parametrize("given", [[], ["tain"], ["train"], ["train", "x.yaml", "--no-such"], ["export", "only-one"]])
def test_bad_usage(given: list[str]) -> None:
    assert main(given) == 2


def test_a_recipe_with_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tiny_data(tmp_path)
    data["train"]["stpes"] = 3
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(data))
    assert main(["train", str(tmp_path / "r.yaml"), "--set", "evaluate.alpha=-1", "--set", "arms=[]"]) == 2
    said = capsys.readouterr()
    assert "has 3 problems:" in said.err
    for path in ("train.stpes", "evaluate.alpha", "arms"):
        assert path in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "run").exists()
    assert said.out == ""


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["train", "{}/none.yaml"], "there is no recipe"),
        (["evaluate", "{}"], "holds no run (no recipe.yaml)"),
        (["report", "{}"], "evaluate the run first"),
        (["export", "{}", "{}/out"], "is neither a run (no recipe.yaml) nor a partitioned checkpoint"),
        (["export", "{}/none", "{}/out"], "there is no folder"),
    ],
)
def test_bad_input_gets_one_clear_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], text: str
) -> None:
    assert main([word.format(tmp_path) for word in given]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert "Traceback" not in said
    assert main([*(word.format(tmp_path) for word in given), "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_evaluate_without_a_finished_arm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(tiny_data(tmp_path)))
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "has no finished arm yet" in capsys.readouterr().err


def test_errors_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path), "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["exit_code"] == 2
    assert "holds no run" in said["error"]


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (GradmaskError("bad input"), 2, "error: bad input"),
        (RunError("the disk is full"), 1, "error: the disk is full"),
        (Interrupted(signal.SIGINT), 130, "interrupted by SIGINT"),
        (Interrupted(signal.SIGTERM, "stopped after step 3"), 143, "stopped after step 3"),
        (PermissionError(13, "Permission denied", "/x"), 1, "error: Permission denied: /x"),
        (ZeroDivisionError("division by zero"), 1, "unexpected ZeroDivisionError: division by zero"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, text: str
) -> None:
    def fail(arguments: object) -> int:
        raise error

    monkeypatch.setattr(app, "_run", fail)
    assert main([]) == code
    assert text in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.1, 0.5, 0.9])
def test_killed_at_any_moment_and_started_again(tmp_path: Path, moment: float) -> None:
    """SIGKILL while training; the second call ends with the bits of a run that nobody killed."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    changes = ["--set", "train.steps=60", "--set", "arms=[gradmask]", "--set", "train.eval_every=5"]
    for folder in (whole, killed):
        folder.mkdir()
        (folder / "r.yaml").write_text(yaml.safe_dump(tiny_data(folder)))
    assert main(["train", str(whole / "r.yaml"), *changes]) == 0
    command = [sys.executable, "-c", "import sys; from gradmask.cli import main; sys.exit(main())"]
    process = subprocess.Popen([*command, "train", str(killed / "r.yaml"), *changes], stderr=subprocess.DEVNULL)
    log = killed / "run/arms/gradmask/log.jsonl"
    while process.poll() is None:
        if log.exists() and len(log.read_text().splitlines()) > moment * 40:
            process.kill()
            process.wait()
    assert process.returncode in (-signal.SIGKILL, 0)
    assert main(["train", str(killed / "r.yaml"), *changes]) == 0
    ended = [(folder / "run/arms/gradmask/model/model.safetensors").read_bytes() for folder in (whole, killed)]
    assert ended[0] == ended[1]
