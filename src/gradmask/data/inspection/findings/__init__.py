"""What is looked for: one file a finding. A new file here is found by itself.

A file has ``find(facts)``, which yields findings, and may have ``SIGNS``: name -> a question that the survey asks of every text;
``facts.survey.signs[name]`` then says which texts answer yes.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import ModuleType

from gradmask.data.inspection.facts import Facts
from gradmask.data.inspection.finding import SEVERITIES, Finding
from gradmask.data.inspection.survey import Sign


@cache
def modules() -> tuple[ModuleType, ...]:
    """The files of this folder, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(import_module(f"{__name__}.{name}") for name in names)


def signs() -> dict[str, Sign]:
    """What every text is asked."""
    return {name: sign for module in modules() for name, sign in getattr(module, "SIGNS", {}).items()}


def find_all(facts: Facts) -> list[Finding]:
    """Everything that was found, worst first."""
    return sorted(_all(facts), key=lambda finding: SEVERITIES.index(finding.severity))


def _all(facts: Facts) -> Iterator[Finding]:
    for module in modules():
        yield from module.find(facts)
