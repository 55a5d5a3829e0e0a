"""Every code block of the documentation runs as pasted, or says why it cannot: quick ones here, the rest in test_slow_blocks.py."""

from __future__ import annotations

import re
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.docs.blocks import BLOCKS, ROOT, Block, blocks
from tests.docs.commands import commands, without_launcher
from tests.docs.python_pages import ELSEWHERE, PAGES, QUICK, SLOW, run_page

from gradmask.cli.app import app
from gradmask.data.spec import SourceSpec
from gradmask.lab.recipe.loading import load_recipe, make_recipe
from gradmask.lab.recipe.shipped import shipped_recipes, shipped_text
from gradmask.lab.recipe.yamls import parse_yaml

COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
LANGUAGES = {"python", "sh", "yaml", "json", "text"}
NOT_RUN = {
    "README.md": 1,
    "docs/adapters.md": 1,
    "docs/attacks.md": 4,
    "docs/compare.md": 2,
    "docs/data.md": 1,
    "docs/distributed.md": 3,
    "docs/evidence.md": 6,
    "docs/labeling.md": 3,
    "docs/moving.md": 2,
    "docs/performance.md": 11,
    "docs/play.md": 2,
    "docs/reliability.md": 1,
    "docs/results.md": 4,
    "docs/results_v01.md": 8,
    "docs/review.md": 2,
    "docs/security.md": 3,
    "docs/serving.md": 3,
    "docs/settings.md": 4,
}


def test_every_block_names_its_language() -> None:
    assert [str(block) for block in BLOCKS if block.language not in LANGUAGES] == []


def test_what_is_not_run_is_counted() -> None:
    """A new block that cannot run needs a reason in its page, and a number here."""
    assert Counter(block.page for block in BLOCKS if block.not_run) == NOT_RUN


STUDY = re.compile(r"a study of (minutes|half an hour|an hour|hours|a quiet machine)")
MACHINE = re.compile(r"needs (vLLM and a GPU|a GPU|bitsandbytes)")


@pytest.mark.parametrize("reason", sorted({block.not_run for block in BLOCKS if block.not_run}))
def test_what_is_not_run_is_a_study_needs_a_machine_or_is_run_elsewhere(reason: str) -> None:
    """Whoever marks a block says where the same is run, smaller; what that names must be there."""
    files = re.findall(r"tests/[\w/]+(?:\.py)?", reason)
    targets = re.findall(r"\bmake ([\w-]+)", reason)
    assert files or targets or STUDY.match(reason) or MACHINE.match(reason)
    assert [file for file in files if not (ROOT / file).exists()] == []
    check(["make", *targets])


@pytest.mark.parametrize("page", QUICK)
def test_python_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_page(page, tmp_path, monkeypatch)


def test_pages_that_are_run_elsewhere_have_python() -> None:
    assert set(PAGES) >= {*SLOW, *ELSEWHERE}


@pytest.mark.parametrize("block", blocks("python", run=False), ids=str)
def test_python_that_is_not_run_compiles(block: Block) -> None:
    compile(block.code, str(block), "exec")


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_recipes_are_good(block: Block) -> None:
    given = parse_yaml(block.code, str(block))
    if list(given) == ["sources"]:
        for source in given["sources"]:
            SourceSpec(**source)
    else:
        make_recipe(given if "name" in given else among_the_demo(given), trial=False)


def among_the_demo(part: dict[str, Any]) -> dict[str, Any]:
    """The recipe of the demo with the sections of ``part`` in place of its own."""
    demo = parse_yaml(shipped_text("demo"), "demo")
    groups = part.get("partition", {}).get("groups", ())
    if "data" in part:
        demo |= {"partition": {}, "arms": ["gradmask", "no_filter"]}
    elif groups:
        demo["data"]["labels"]["forget"] = {group: ["es"] for group in groups}
    return demo | part


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_commands_are_good(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = commands(block.code, tmp_path)
    assert found or re.search(r"^(export|cd|[A-Z]+=)", block.code, re.MULTILINE)
    for words in found:
        check(without_launcher(words))


def check(words: list[str]) -> None:
    """Assert that a command exists as it is written: its options, its recipe with its changes, its file or target."""
    match words:
        case ["gradmask", *rest]:
            check_gradmask(rest)
        case ["python", "-m", module, *_]:
            assert find_spec(module), module
        case ["python", file, *_] if file.endswith(".py"):
            assert (ROOT / file).exists(), file
        case ["make", *targets]:
            made = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            assert {target for target in targets if "=" not in target} <= set(made)


def check_gradmask(words: list[str]) -> None:
    if words[0].startswith("-"):
        return
    command = COMMANDS[words[0]]
    given = command.make_context(words[0], list(words[1:])).params
    if "changes" in given and "recipe" in given:
        recipe = str(given["recipe"])
        known = recipe in shipped_recipes() or (ROOT / recipe).is_file()
        load_recipe(recipe if known else "demo", given["changes"] or (), trial=False)
