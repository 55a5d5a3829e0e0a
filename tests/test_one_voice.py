"""Messages and help use one word for one thing: what an error says can be looked up in the help, the docs and the glossary."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import gradmask
from gradmask.cli.app import app

SOURCE = Path(gradmask.__file__).parent
ERRORS = ("GradmaskError", "RunError", "RecipeError", "Problem", "ValueError", "TypeError")
INSTEAD = {
    r"\bdirector(y|ies)\b": "folder",
    r"\bcan not\b": "cannot",
    r"\binvalid\b": "not valid, or what is needed",
    r"\bexpected\b": "needed",
    r"\bplease\b": "nothing: say what to do",
    r"\bexperiments?\b": "run",
    r"\bvariants?\b|\btreatments?\b": "arm",
    r"\bhyperparameters?\b": "settings",
    r"\bnan\b|\bnot a number\b": "not finite",
    r"\b(validation|dev|test) (set|text|data)\b": "held-out text",
    r"\bdoes not exist\b": "there is no",
    r"\bnot found\b|\bcould not find\b": "there is no",
    r"\bfilename\b": "name of a file",
    r"\bdirty\b|\bpruned?\b": "removed",
    r"\bunlearned group\b|\bforgotten\b": "removed",
    r"\byml file\b": "YAML file",
    r"\bcommand[- ]line flag\b": "option",
    r"\bunrecogni[sz]ed\b|\billegal\b": "unknown",
    r"\butilit(y|ies)\b": "command",
}
"""A word that messages do not use -> the agreed one."""


def messages() -> Iterator[tuple[str, str]]:
    """Place and text of every literal in an error, and of every text of the help."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ERRORS:
                for part in ast.walk(node):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield f"{path.relative_to(SOURCE)}:{part.lineno}", part.value
    commands: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    for name, command in commands.items():
        yield f"gradmask {name}", command.help
        for parameter in command.params:
            yield f"gradmask {name}, {parameter.name}", parameter.help


MESSAGES = list(messages())


def test_there_are_many() -> None:
    assert len(MESSAGES) > 1000


@pytest.mark.parametrize(("word", "agreed"), INSTEAD.items())
def test_one_word_for_one_thing(word: str, agreed: str) -> None:
    found = [f"{place}: {text!r}" for place, text in MESSAGES if re.search(word, text, re.IGNORECASE)]
    assert found == [], f"write {agreed}"


OPTIONS = {
    "--output": "where something is written",
    "--overwrite": "replace what is there",
    "--restart": "delete an earlier run, and start over",
    "--yes": "do not ask",
    "--json": "for programs",
    "--set": "change a value of a recipe",
}
"""The name that an option of this meaning has in every command."""


def test_options_of_one_meaning_have_one_name() -> None:
    commands: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    first = {
        name: parameter.opts[0]
        for command in commands.values()
        for parameter in command.params
        for name in parameter.opts
    }
    assert {first.get(name) for name in ("--out", "--force")} <= {"--output", "--overwrite"}
    assert not {"--dir", "--directory", "--folder", "--clobber", "--replace"} & first.keys()
    assert first.keys() >= OPTIONS.keys()


def test_every_command_prints_its_result_for_programs_too() -> None:
    commands: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    silent = [name for name, command in commands.items() if not any("--json" in p.opts for p in command.params)]
    assert set(silent) <= {"play"}, "a page in the browser has no result"


def test_arguments_are_in_capitals_and_few() -> None:
    commands: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    named = {
        p.metavar or p.name for command in commands.values() for p in command.params if p.param_type_name == "argument"
    }
    known = {"RECIPE", "RUN", "SOURCE", "OUT", "PATH", "CHECKPOINT", "FOLDER", "NAME", "FILES"}
    assert named <= known
