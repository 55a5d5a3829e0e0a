"""Imports point downwards only, read from the source; and the command line starts without the heavy libraries."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gradmask

SOURCE = Path(gradmask.__file__).parent

TIERS = [
    {"errors", "files", "quiet", "version"},
    {"strangers"},
    {"step", "data", "partitioning"},
    {"routing", "distributed"},
    {"model"},
    {"checkpoints", "training", "policy"},
    {"conformance"},
    {"gradmask", "lab.progress"},
    {"lab.measures", "lab.unlearning"},
    {"lab.judge"},
    {"lab.recipe"},
    {"lab.run", "lab.report"},
    {"lab.compare", "lab.labeling", "lab.play", "lab.setup"},
    {"cli"},
    {"__main__"},
]
"""Lowest first. A room imports from tiers below its own; ``gradmask`` is the package's own ``__init__``, the public names of
all that stands below it."""

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
    """The room that a dotted name lies in: a folder or file of the package, or of ``lab``. None for other packages."""
    first, _, rest = name.partition(".")
    if first != "gradmask":
        return None
    parts = rest.split(".")
    room = ".".join(parts[:2]) if parts[0] == "lab" else parts[0]
    place = source.joinpath(*room.split("."))
    return room if room and (place.is_dir() or place.with_suffix(".py").exists()) else "gradmask"


def room_of_file(path: Path) -> str:
    """The room of a source file, by its path in the package."""
    parts = path.with_suffix("").parts
    if parts[0] == "lab":
        return ".".join(parts[:2])
    return "gradmask" if parts == ("__init__",) else parts[0]


INNER = ["errors", "kernel", "architectures", "groups", "owned", "surgery"]
"""The rooms inside ``partitioning``, lowest first: an import there points to its own room or to one before it."""


def inner_problems(source: Path) -> list[str]:
    """What breaks the order inside ``partitioning``, in words."""
    problems = []
    for path in sorted((source / "partitioning").glob("*/**/*.py")):
        place = path.relative_to(source / "partitioning")
        allowed = INNER[: INNER.index(place.parts[0]) + 1]
        for line, name in imports(ast.parse(path.read_text(encoding="utf-8"))):
            other = name.removeprefix("gradmask.").removeprefix("partitioning.").split(".")[0]
            if name.startswith("gradmask") and other not in allowed:
                problems.append(f"partitioning/{place}:{line}: {place.parts[0]} may not import {name}")
    return problems


def problems(source: Path) -> list[str]:
    """What breaks the order, in words."""
    found = []
    for path in sorted(source.rglob("*.py")):
        room = room_of_file(path.relative_to(source))
        if room == "lab.__init__":
            continue
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


def test_imports_inside_partitioning_point_downwards(tmp_path: Path) -> None:
    assert inner_problems(SOURCE) == []
    (tmp_path / "partitioning/kernel").mkdir(parents=True)
    lines = ["from gradmask.errors import GradmaskError", "from gradmask.partitioning.kernel.route import Route"]
    wrong = ["from gradmask.partitioning import Route", "from gradmask.partitioning.owned.base import Owned"]
    (tmp_path / "partitioning/kernel/a.py").write_text("\n".join([*lines, *wrong]))
    assert inner_problems(tmp_path) == [
        "partitioning/kernel/a.py:3: kernel may not import gradmask.partitioning.Route",
        "partitioning/kernel/a.py:4: kernel may not import gradmask.partitioning.owned.base.Owned",
    ]


def tree(source: Path) -> set[str]:
    """Every room as docs/design.md writes it: files and folders of the package, of ``lab`` and of ``partitioning``."""
    places = [*source.iterdir(), *(source / "lab").iterdir(), *(source / "partitioning").iterdir()]
    rooms = {p.relative_to(source).as_posix() + "/" * p.is_dir() for p in places if p.is_dir() or p.suffix == ".py"}
    return {room for room in rooms if "__pycache__" not in room} - {
        "lab/",
        "lab/__init__.py",
        "partitioning/__init__.py",
    }


def test_the_table_of_rooms_in_the_docs_is_the_tree() -> None:
    page = (Path(__file__).parents[1] / "docs" / "design.md").read_text(encoding="utf-8")
    table = page.partition("## The rooms")[2].partition("\n## ")[0]
    rooms = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert sorted(rooms) == sorted(tree(SOURCE))


OF_A_USER = ("gradmask", "gradmask.data")
"""What the lab may import names from, besides the ground and itself: what a user may, and no module inside."""


def reaches_past(source: Path) -> list[str]:
    """Imports of the lab and of the command line that reach past the public names of the library, in words."""
    found = []
    for path in sorted([*(source / "lab").rglob("*.py"), *(source / "cli").rglob("*.py")]):
        for line, name in imports(ast.parse(path.read_text(encoding="utf-8"))):
            home = name.rpartition(".")[0] or name
            known = home in OF_A_USER or name.split(".")[1:2] in [
                ["lab"],
                ["cli"],
                *([room] for tier in TIERS[:2] for room in tier),
            ]
            if name.startswith("gradmask.") and not known:
                found.append(f"{path.relative_to(source)}:{line}: use a public name instead of {name}")
    return found


def test_the_lab_uses_the_library_as_a_user_does(tmp_path: Path) -> None:
    assert reaches_past(SOURCE) == []
    (tmp_path / "lab").mkdir()
    lines = ["import gradmask as gm", "from gradmask.data import prepare", "from gradmask.data.arrow import column"]
    (tmp_path / "lab/a.py").write_text("\n".join([*lines, "from gradmask.model.manifest import seal"]))
    assert [line.partition(":")[0] + line[len("lab/a.py") :][:2] for line in reaches_past(tmp_path)] == [
        "lab/a.py:3",
        "lab/a.py:4",
    ]


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("routing/a.py", "from gradmask.model import b", ["routing/a.py:1: routing may not import gradmask.model.b"]),
        ("routing/a.py", "def f():\n    import gradmask.model", ["routing/a.py:2: routing may not import gradmask.model"]),
        ("routing/a.py", "from gradmask import model", ["routing/a.py:1: routing may not import gradmask.model"]),
        ("routing/a.py", "import gradmask as gm", ["routing/a.py:1: routing may not import gradmask"]),
        ("routing/a.py", "from gradmask import partition", ["routing/a.py:1: routing may not import gradmask.partition"]),
        ("lab/run/a.py", "from gradmask.lab.report import b", ["lab/run/a.py:1: lab.run may not import gradmask.lab.report.b"]),
        ("lab/run/a.py", "from . import recipe", ["lab/run/a.py:1: write the whole name instead of '..recipe'"]),
        ("stray.py", "", ["stray.py: give the room 'stray' a place"]),
        ("lab/stray.py", "", ["lab/stray.py: give the room 'lab.stray' a place"]),
        ("routing/a.py", "import torch\nfrom gradmask.step import b\nfrom gradmask.version import __version__", []),
        ("routing/a.py", "if TYPE_CHECKING:\n    from gradmask.model import b", []),
        ("lab/run/a.py", "import gradmask as gm\nfrom gradmask.lab.recipe.b import Recipe", []),
        ("__init__.py", "from gradmask.step import masked_gradient_step", []),
    ],
)  # fmt: skip
def test_the_order_can_be_broken(tmp_path: Path, file: str, text: str, found: list[str]) -> None:
    rooms = (
        "routing/b.py",
        "model/b.py",
        "step.py",
        "version.py",
        "lab/run/b.py",
        "lab/recipe/b.py",
        "lab/report/b.py",
    )
    for name in (*rooms, file):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if name == file else "")
    told = problems(tmp_path)
    assert len(told) == len(found)
    assert all(line.startswith(start) for line, start in zip(told, found, strict=True))


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


HEAVY = "[x for x in ('torch', 'transformers', 'datasets', 'vl_convert', 'sklearn') if x in sys.modules]"


@pytest.mark.parametrize("module", ["gradmask", "gradmask.cli", "gradmask.cli.app"])
def test_the_command_line_starts_light(module: str) -> None:
    assert run(f"import sys, {module}; print({HEAVY})") == "[]"


def test_what_is_heavy_is_noticed() -> None:
    assert run(f"import sys, vl_convert; print({HEAVY})") == "['vl_convert']"


def test_every_public_name_is_there() -> None:
    assert [name for name in gradmask.__all__ if not hasattr(gradmask, name)] == []
    with pytest.raises(AttributeError, match="has no attribute 'partitoin'"):
        gradmask.partitoin  # noqa: B018
