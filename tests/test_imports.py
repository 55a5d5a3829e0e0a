"""Imports point downwards only, read from the source; and the command line starts without the heavy libraries."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gradmask

SOURCE = Path(gradmask.__file__).parent

TIERS = [
    {"errors", "files", "quiet"},
    {"step", "partitioning", "data"},
    {"policy", "compact"},
    {"routing"},
    {"selflabeling"},
    {"manifest"},
    {"zero_gradients", "fused_head", "rehearsal"},
    {"distributed"},
    {"attached"},
    {"recomputation"},
    {"forward"},
    {"model"},
    {"removal", "sharded"},
    {"checkpoint", "adapter_files"},
    {"verification"},
    {"conformance"},
    {"gradmask"},
    {"evaluate"},
    {"baselines"},
    {"recipe"},
    {"train", "report"},
    {"evidence"},
    {"parallel"},
    {"compare"},
    {"cli"},
]
"""Lowest first. A room (a folder or a file of the package) imports from tiers below its own; ``gradmask`` is the package's
own ``__init__``, the public names of all that stands below it."""

TIER = {room: i for i, rooms in enumerate(TIERS) for room in rooms}


def imports(module: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of whatever a module imports from gradmask, inside functions too; not what is for types only."""
    for node in ast.iter_child_nodes(module):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{start}.{alias.name}") for alias in node.names)
        yield from imports(node)


def room_of(name: str, source: Path) -> str | None:
    """The room that a dotted name lies in; None for other packages and for the version, which is no room's secret."""
    first, _, rest = name.partition(".")
    if first != "gradmask" or rest == "__version__":
        return None
    room = rest.split(".")[0]
    is_room = room and ((source / room).is_dir() or (source / f"{room}.py").exists())
    return room if is_room else "gradmask"


def problems(source: Path) -> list[str]:
    """What breaks the order, in words."""
    found = []
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        room = "gradmask" if parts == ("__init__",) else parts[0]
        if room not in TIER:
            found.append(f"{path.relative_to(source)}: give the room {room!r} a place in tests/test_imports.py")
            continue
        for line, name in imports(ast.parse(path.read_text(encoding="utf-8"))):
            place = f"{path.relative_to(source)}:{line}"
            other = room_of(name, source)
            if name.startswith("."):
                found.append(f"{place}: write the whole name instead of {name!r}")
            elif other is not None and other != room and TIER.get(other, len(TIERS)) >= TIER[room]:
                found.append(f"{place}: {room} may not import {name}, which is not below it")
    return found


def test_imports_point_downwards() -> None:
    assert problems(SOURCE) == []


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("policy.py", "from gradmask.routing import Router", ["policy.py:1: policy may not import gradmask.routing.Router"]),
        ("policy.py", "def f():\n    import gradmask.routing", ["policy.py:2: policy may not import gradmask.routing"]),
        ("policy.py", "from gradmask import routing", ["policy.py:1: policy may not import gradmask.routing"]),
        ("routing.py", "import gradmask as gm", ["routing.py:1: routing may not import gradmask"]),
        ("routing.py", "from gradmask import partition", ["routing.py:1: routing may not import gradmask.partition"]),
        ("train/run.py", "from gradmask.report import page", ["train/run.py:1: train may not import gradmask.report.page"]),
        ("train/run.py", "from . import recipe", ["train/run.py:1: write the whole name instead of '..recipe'"]),
        ("stray.py", "", ["stray.py: give the room 'stray' a place"]),
        ("routing.py", "import torch\nfrom gradmask.policy import Policy\nfrom gradmask import __version__", []),
        ("routing.py", "if TYPE_CHECKING:\n    from gradmask.model import Gradmask", []),
        ("train/run.py", "import gradmask as gm\nfrom gradmask.recipe.spec import Recipe", []),
        ("__init__.py", "from gradmask.step import masked_gradient_step", []),
    ],
)  # fmt: skip
def test_the_order_can_be_broken(tmp_path: Path, file: str, text: str, found: list[str]) -> None:
    for name in ("policy.py", "routing.py", "model.py", "step.py", "train/recipe.py", "report/page.py", file):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text if name == file else "")
    told = problems(tmp_path)
    assert len(told) == len(found)
    assert all(line.startswith(start) for line, start in zip(told, found, strict=True))


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


HEAVY = "[x for x in ('torch', 'transformers', 'datasets', 'matplotlib', 'sklearn') if x in sys.modules]"


@pytest.mark.parametrize("module", ["gradmask", "gradmask.cli", "gradmask.cli.app"])
def test_the_command_line_starts_light(module: str) -> None:
    assert run(f"import sys, {module}; print({HEAVY})") == "[]"


def test_what_is_heavy_is_noticed() -> None:
    assert run(f"import sys, gradmask.model; print({HEAVY})").startswith("['torch'")


def test_every_public_name_is_there() -> None:
    assert [name for name in gradmask.__all__ if not hasattr(gradmask, name)] == []
    with pytest.raises(AttributeError, match="has no attribute 'partitoin'"):
        gradmask.partitoin  # noqa: B018
