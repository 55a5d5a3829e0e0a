"""Help says what it was written to say, in terminals of any width; the Tab key offers what is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from gradmask.cli import completion, main
from gradmask.cli.app import app

COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]


def helped(command: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main([command, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_is_a_line_of_its_own_at_any_width(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for width in (40, 80):
        lines = [line.strip() for line in helped(command, width, capsys, monkeypatch).splitlines()]
        assert [line for line in COMMANDS[command].examples if line not in lines] == []
        frames = [line for line in lines if line.startswith(("│", "╭", "╰"))]
        assert {len(line) for line in frames} == {width}


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("evaluate", "pip install 'gradmask[lm-eval]'"),
        ("evaluate", "--set evaluate.ladder=[0.01,0.05]"),
        ("compare", "--set compare.arms=[gradmask,no_filter,perfect_filter,npo]"),
    ],
)
def test_square_brackets_stay(
    command: str, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert text in " ".join(helped(command, 250, capsys, monkeypatch).split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_text_of_an_option_stays_as_it_is(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = " ".join(helped(command, 400, capsys, monkeypatch).split())
    for parameter in COMMANDS[command].params:
        assert parameter.help.replace("\\[", "[") in shown
        assert parameter.help, f"{parameter.name} is not explained"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_a_switch_shows_no_value_and_a_value_has_a_word_for_it(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main([*([command] if command else []), "--help"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert any("--help" in line for line in lines)
    assert [line for line in lines if re.search(r"<(bool|str|path|int|float|list)", line)] == []


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run, a comparison's run, a checkpoint and two recipes."""
    for name in (
        "runs/a/recipe.yaml",
        "runs/b-compared/main/seed-0/recipe.yaml",
        "plain/x/gradmask.json",
        "r.yaml",
        "more/dem.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_completed(place: Path) -> None:
    assert completion.recipes("") == ["demo", "package_docs", "more/dem.yaml", "r.yaml"]
    assert completion.recipes("de") == ["demo"]
    assert completion.recipes("more/") == ["more/dem.yaml"]
    assert completion.runs("") == ["runs/a"]
    assert completion.runs("runs/b-compared/") == ["runs/b-compared/main/seed-0"]
    assert completion.runs("runs/x") == []
    assert completion.checkpoints("pl") == []
    assert completion.checkpoints("plain/") == ["plain/x"]
    assert completion.runs(f"{place}/runs/") == [f"{place}/runs/a"]
    assert completion.runs(str(place / "none/")) == []


@pytest.mark.parametrize(
    ("line", "offered"), [("gradmask evaluate ru", ["runs/a"]), ("gradmask train pack", ["package_docs"])]
)
def test_a_shell_gets_it(place: Path, line: str, offered: list[str]) -> None:
    """Bash's way of asking, without a heavy import."""
    asked = {"_GRADMASK_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "2"}
    script = "import sys; from gradmask.cli import main; main([]); print('torch' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == [*offered, "False"]
