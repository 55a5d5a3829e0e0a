"""The scorers, by the names of their files."""

from __future__ import annotations

import importlib
import pkgutil

from gradmask.data.label import scorers
from gradmask.data.label.scorers.scorer import Scorer
from gradmask.errors import GradmaskError, did_you_mean

_OTHERS = {"registry", "scorer"}


def scorer_names() -> list[str]:
    """Every scorer's name."""
    return sorted(module.name for module in pkgutil.iter_modules(scorers.__path__) if module.name not in _OTHERS)


def scorer_class(name: str) -> type[Scorer]:
    """A scorer by name.

    Raises:
        GradmaskError: there is none of this name.
    """
    if name not in scorer_names():
        raise GradmaskError(
            f"no scorer {name!r}.{did_you_mean(name, scorer_names())} Scorers: {', '.join(scorer_names())}"
        )
    return importlib.import_module(f"{scorers.__name__}.{name}").Scorer


def split_name(given: str) -> tuple[str, str]:
    """``"static:PATH"`` as the scorer's name and its argument."""
    name, _, argument = given.partition(":")
    return name, argument
