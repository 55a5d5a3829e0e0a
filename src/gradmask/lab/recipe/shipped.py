"""Recipes inside the package: found by name, so that they run wherever gradmask is installed."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

from gradmask.errors import GradmaskError, did_you_mean

SUFFIX = ".yaml"


def shipped_recipes() -> dict[str, str]:
    """Name -> what it is: the first line of its comment."""
    files = sorted(_folder().iterdir(), key=lambda file: file.name)
    return {
        file.name.removesuffix(SUFFIX): file.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        for file in files
        if file.name.endswith(SUFFIX)
    }


def shipped_text(name: str) -> str:
    """A recipe's YAML.

    Raises:
        GradmaskError: no recipe of this name is shipped.
    """
    known = shipped_recipes()
    if name not in known:
        raise GradmaskError(f"there is no recipe {name!r}.{did_you_mean(name, known)} Recipes: {', '.join(known)}")
    return _folder().joinpath(name + SUFFIX).read_text(encoding="utf-8")


def _folder() -> Traversable:
    return resources.files("gradmask.lab.recipe").joinpath("shipped")
