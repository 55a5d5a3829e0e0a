"""The pages about recipes and the command line say what the code does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from pydantic import BaseModel

from gradmask.cli.app import app
from gradmask.data.spec import AuditSpec, DataSpec, LabelSpec, SimulateSpec, SourceSpec, Thresholds, TokenizerSpec
from gradmask.lab.judge.acceptance import AcceptSpec
from gradmask.lab.recipe.loading import load_recipe, make_recipe
from gradmask.lab.recipe.spec import (
    AdapterSpec,
    CompareSpec,
    EvaluateSpec,
    GroupSpec,
    ModelSpec,
    NoiseSpec,
    PartitionSpec,
    Recipe,
    RelearningSpec,
    SelfLabelingSpec,
    TrainSpec,
)
from gradmask.lab.recipe.yamls import parse_yaml

ROOT = Path(__file__).parents[2]
RECIPES, CLI = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("recipes.md", "cli.md"))
PARTS = (
    Recipe, DataSpec, SourceSpec, LabelSpec, Thresholds, SimulateSpec, AuditSpec, TokenizerSpec, ModelSpec, PartitionSpec, GroupSpec, AdapterSpec,
    SelfLabelingSpec, TrainSpec, EvaluateSpec, RelearningSpec, AcceptSpec, CompareSpec, NoiseSpec,
)  # fmt: skip


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_key_is_described(part: type[BaseModel]) -> None:
    missing = [name for name in part.model_fields if f"`{name}`" not in RECIPES and f"## {name}" not in RECIPES]
    assert not missing


def test_no_table_describes_a_key_that_is_not() -> None:
    known = {name for part in PARTS for name in part.model_fields}
    first_cells = [cell for cell in re.findall(r"^\| (`[^|]*`) \|", RECIPES, re.MULTILINE) if " " not in cell[:-1]]
    keys = {key for cell in first_cells for key in re.findall(r"`([a-z_]+)`", cell)}
    assert keys <= known
    assert len(keys) > 20


def test_the_recipe_on_the_page_is_good() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", RECIPES, re.DOTALL)
    make_recipe(parse_yaml(text, "docs/recipes.md"))


@pytest.mark.parametrize("line", re.findall(r"^gradmask train (.*--set.*)$", CLI, re.MULTILINE))
def test_changes_on_the_page_are_good(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    path, *words = shlex.split(line)
    load_recipe(path, [word for word in words if word != "--set"])


def test_every_command_is_on_the_page() -> None:
    commands = [command.name for command in app.registered_commands]
    assert set(re.findall(r"^\| `gradmask ([\w-]+)", CLI, re.MULTILINE)) == set(commands)
