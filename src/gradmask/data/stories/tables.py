"""Reading the vocabulary and the sentence templates, which are TOML files beside this module."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

SCENE_FILES = ("openings", "events", "meetings", "thoughts", "endings")


@cache
def vocabulary(name: str) -> dict[str, Any]:
    """The tables of ``vocabulary/<name>.toml``."""
    return _toml(f"vocabulary/{name}.toml")


@cache
def scenes() -> dict[str, tuple[dict[str, str], ...]]:
    """Scene -> its sentence templates, each as ``en`` and ``es``. `grammar` explains the slots."""
    return {scene: tuple(pairs) for name in SCENE_FILES for scene, pairs in _toml(f"scenes/{name}.toml").items()}


@cache
def templates(scene: str, language: str) -> tuple[str, ...]:
    """The templates of a scene in ``en`` or ``es``."""
    return tuple(pair[language] for pair in scenes()[scene])


def _toml(path: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("gradmask.data.stories").joinpath(path).read_text(encoding="utf-8"))
