"""What the Tab key offers in a shell: recipes, runs and their checkpoints, found without importing anything heavy."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path

MOST = 1000
"""Files that are looked at: the shell waits."""


def shipped(incomplete: str) -> list[str]:
    """Names of recipes that come with gradmask."""
    from gradmask.lab.recipe.shipped import shipped_recipes

    return _beginning(incomplete, shipped_recipes())


def recipes(incomplete: str) -> list[str]:
    """Names of recipes that come with gradmask, and YAML files."""
    return [*shipped(incomplete), *_found(incomplete, ("*.yaml", "*.yml", "*/*.yaml"))]


def runs(incomplete: str) -> list[str]:
    """Folders of runs."""
    return _found(incomplete, ("*/recipe.yaml", "*/*/recipe.yaml"), up=1)


def checkpoints(incomplete: str) -> list[str]:
    """Folders of runs, and of checkpoints that gradmask wrote."""
    return [*runs(incomplete), *_found(incomplete, ("gradmask.json", "*/gradmask.json"), up=1)]


def _found(incomplete: str, patterns: Iterable[str], up: int = 0) -> list[str]:
    """What lies under the folder that was typed and fits a pattern (or the folder so far above it), as it would be typed."""
    typed = incomplete.rpartition("/")
    folder = Path("".join(typed[:2]) or ".").expanduser()
    prefix = "".join(typed[:2])
    files = islice(chain.from_iterable(folder.glob(pattern) for pattern in patterns), MOST)
    names = (path.relative_to(folder) for path in files)
    named = {prefix + str(name.parents[up - 1] if up else name) for name in names}
    return sorted(_beginning(incomplete, (name for name in named if not name.endswith("/."))))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
