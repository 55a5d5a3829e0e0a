"""docs/adapters.md: its code runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gradmask.lab.recipe.spec import PartitionSpec

PAGE = Path(__file__).parents[3] / "docs" / "adapters.md"


def test_every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = re.sub(r"<!-- not run.*?```python\n.*?```", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)


def test_the_recipe_is_valid() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    spec = PartitionSpec.model_validate(yaml.safe_load(block)["partition"])
    assert spec.base == "frozen"
    assert spec.groups["biology"].adapter is not None
