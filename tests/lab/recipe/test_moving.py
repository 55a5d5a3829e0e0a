"""docs/moving.md: its recipes are good, and what it names is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from gradmask.cli.app import app
from gradmask.lab.measures.registry import names
from gradmask.lab.recipe.arms import ARMS
from gradmask.lab.recipe.loading import make_recipe
from gradmask.lab.recipe.yamls import parse_yaml

PAGE = (Path(__file__).parents[3] / "docs" / "moving.md").read_text(encoding="utf-8")
YAML = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", YAML, ids=lambda text: text.split()[1])
def test_its_recipes_are_good(text: str) -> None:
    recipe = make_recipe(parse_yaml(text, "docs/moving.md"))
    assert recipe.partition.groups["forget"].heads == 1
    assert not recipe.partition.exact


@pytest.mark.parametrize("line", re.findall(r"^gradmask (.*?)(?: +#.*)?$", PAGE, re.MULTILINE))
def test_its_commands_parse(line: str) -> None:
    commands: Any = vars(typer.main.get_command(app))["commands"]
    name, *words = shlex.split(line)
    commands[name].make_context(name, words)


def test_what_it_names_is_there() -> None:
    (table,) = re.findall(r"^## open-unlearning's metrics and methods\n(.*)", PAGE, re.MULTILINE | re.DOTALL)
    known = {*names(), *ARMS, "question_field", "answer_field"}
    cells = [row.split("|")[2] for row in table.splitlines() if row.startswith("| `")]
    named = {word for cell in cells for word in re.findall(r"`(\w+)`", cell)}
    assert named <= known
    assert len(named) > 10
