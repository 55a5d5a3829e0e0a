"""What is around the library: its version in every place, the page of the package index, the container, the extras."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import gradmask

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]


def test_the_version_is_the_same_everywhere() -> None:
    citation: Any = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert citation["version"] == gradmask.__version__
    assert f"## [{gradmask.__version__}] - {citation['date-released']}" in changelog
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_the_page_of_the_package_index_leads_nowhere_that_it_has_not() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    rules = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]
    for rule in rules:
        page = re.sub(rule["pattern"], rule["replacement"], page)
    assert page.startswith("# gradmask")
    assert re.findall(r"\]\((?!https?:|#)[^)]*\)", page) == []
    assert "![" not in page.replace("![](http", "")


def test_every_extra_that_a_message_names_exists() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    texts += [path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]]
    named = {
        extra for text in texts for group in re.findall(r"gradmask\[([a-z,-]+)\]", text) for extra in group.split(",")
    }
    assert named <= EXTRAS.keys()
    assert {"play", "docs", "label", "sign"} <= EXTRAS.keys()


def test_every_extra_is_explained() -> None:
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    assert [extra for extra in EXTRAS if f"`{extra}`" not in page] == []


def test_the_container_gets_the_files_that_it_copies() -> None:
    docker = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = [name for line in re.findall(r"^COPY (.*)$", docker, re.MULTILINE) for name in line.split()[:-1]]
    let_in = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(copied) == set(let_in)
    assert [name for name in copied if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_templates_are_whole(path: Path) -> None:
    form: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form
    ids = [field["id"] for field in form.get("body", ())]
    assert len(ids) == len(set(ids))


def test_what_the_package_needs_is_tracked() -> None:
    """The wheel takes what lies in ``src/gradmask``: a file that git ignores would be missing for others."""
    command = ["git", "ls-files", "--others", "--ignored", "--exclude-standard", "src"]
    ignored = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    assert [path for path in ignored if "__pycache__" not in path] == []
