"""Every example of the help: its options exist, and what it names comes with gradmask or from a command before it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from gradmask.cli import main
from gradmask.cli.app import app
from gradmask.cli.evaluate import options
from gradmask.data import package_docs
from gradmask.lab.recipe.loading import load_recipe
from gradmask.lab.recipe.shipped import shipped_recipes

COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
WRITTEN = [line for command in COMMANDS.values() for line in command.examples]
EXAMPLES = [line.removeprefix("gradmask ").split("|")[0] for line in WRITTEN if line.startswith("gradmask ")]
MADE = ("data/", "more-data/", "labels", "runs/", "plain/", "recipe.yaml", "published/")
"""What the commands of the help write: example-data, label, train, export, init; and what published code wrote, for import."""


def parsed(line: str) -> dict[str, Any]:
    """The parameters of a command line, files that are not there included."""
    name, *words = shlex.split(line)
    return COMMANDS[name].make_context(name, words).params


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples(name: str) -> None:
    assert [line for line in EXAMPLES if line.split()[0] == name]


def test_an_example_calls_the_program_itself_or_by_a_launcher() -> None:
    others = [line for line in WRITTEN if not line.startswith("gradmask ")]
    assert others == ["torchrun --nproc-per-node 8 -m gradmask train recipe.yaml --set train.engine=fsdp2"]
    for line in others:
        parsed(line.partition("-m gradmask ")[2])


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_parses(line: str) -> None:
    parsed(line)


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_reads_what_a_new_user_has(line: str) -> None:
    command, given = COMMANDS[line.split()[0]], parsed(line)
    if command.name == "example-data":
        return
    read = [given[argument.name or ""] for argument in command.params if argument.param_type_name == "argument"]
    files = [str(one) for value in read if value for one in (value if isinstance(value, list | tuple) else [value])]
    if command.name in ("export", "import"):
        files = files[:1]  # the second one is written
    assert all(file in shipped_recipes() or f"{file}/".startswith(MADE) for file in files)


@pytest.mark.parametrize("line", [line for line in EXAMPLES if line.startswith(("evaluate", "attack"))])
def test_what_is_to_be_measured_is_known(line: str) -> None:
    given = parsed(line)
    changes = options(*(given.get(key) for key in ("measures", "preset", "tasks", "changes")))
    load_recipe("demo", changes, trial=False)


@pytest.mark.parametrize("line", [line for line in EXAMPLES if line.startswith(("train", "compare", "demo"))])
def test_changes_of_the_recipe_are_good(line: str) -> None:
    given = parsed(line)
    recipe = str(given.get("recipe", "demo"))
    load_recipe(recipe if recipe in shipped_recipes() else "demo", given["changes"] or ())


@pytest.mark.parametrize("line", [line for line in EXAMPLES if line.startswith(("recipes", "runs"))])
def test_quick_examples_run(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/demo-compared").mkdir(parents=True)
    assert main(shlex.split(line)) == 0


def test_the_next_command_of_example_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in package_docs.PACKAGES:
        (tmp_path / "site" / name).mkdir(parents=True)
        (tmp_path / "site" / name / "a.py").write_text(f'"""{" ".join(f"{name} word {i}" for i in range(90))}"""')
    places = {name: tmp_path / "site" / name for name in package_docs.PACKAGES}
    monkeypatch.setattr(package_docs, "_root", places.__getitem__)
    assert main(["example-data", "my data", "--labeled", "1"]) == 0
    said = caplog.messages[-1]
    given = parsed(said.removeprefix("Next: gradmask "))
    assert all(Path(file).is_file() for file in [*given["files"], *given["examples"]])
