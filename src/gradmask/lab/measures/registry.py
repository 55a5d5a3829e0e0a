"""Every measure by name: found in their folders, or registered.

Names, and what a recipe's defaults need, are read from the files without importing them, so that the command line starts
without torch. A measure is imported when it is asked for.
"""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.machinery import FileFinder
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.measures.measure import LAST, Attack, Comparison, Measure

Kind = Literal["comparisons", "attacks", "catalog"]
KINDS: dict[Kind, type] = {"comparisons": Comparison, "attacks": Attack, "catalog": Measure}
"""Folder -> what its files hold, in the order of the page."""
RUN_ORDER: tuple[Kind, ...] = ("catalog", "attacks", "comparisons")

Registered = Measure[Any] | Comparison[Any]


@dataclass(frozen=True)
class Entry:
    """What is known of a measure without importing it."""

    name: str
    kind: Kind
    quick: bool = False
    order: int = LAST


_registered: dict[str, Registered] = {}


def register(measure: Registered) -> ExitStack:
    """Add a measure that is defined elsewhere, until the end of the ``with`` that this is used in, or for good.

    Raises:
        GradmaskError: its name or the name of a number is taken, or it lacks its name, its question or its result's type.
    """
    _checked(type(measure))
    if measure.name in names():
        raise GradmaskError(f"there is a measure {measure.name!r} already: give this one another name")
    others = {number for other in loaded() for number in other.numbers()}
    if twice := sorted(others & set(measure.numbers())):
        raise GradmaskError(f"measure {measure.name!r}: another measure has numbers called {', '.join(twice)}")
    _registered[measure.name] = measure
    undo = ExitStack()
    undo.callback(_registered.pop, measure.name)
    return undo


def entries(*kinds: Kind) -> list[Entry]:
    """All measures of these kinds (by default of all), in the order of the page."""
    known = [*_files(), *(_entry(measure) for measure in _registered.values())]
    places = list(KINDS)
    known.sort(key=lambda e: (places.index(e.kind), e.order, e.name))
    return [entry for entry in known if not kinds or entry.kind in kinds]


def names(*kinds: Kind) -> tuple[str, ...]:
    """The names of all measures of these kinds, in the order in which they are run: attacks late, the quick ones first."""
    ready = sorted(entries(*kinds), key=lambda e: (RUN_ORDER.index(e.kind), not e.quick))
    return tuple(entry.name for entry in ready)


def of_a_model() -> tuple[str, ...]:
    """Measures of one model, attacks among them."""
    return names("catalog", "attacks")


def attacks() -> tuple[str, ...]:
    """Measures that try to bring back what was removed."""
    return names("attacks")


def comparisons() -> tuple[str, ...]:
    """Measures that compare models with each other."""
    return names("comparisons")


def quick() -> tuple[str, ...]:
    """What is measured unless a recipe says otherwise: a small part of the time of training."""
    fast = {entry.name for entry in entries() if entry.quick}
    return tuple(name for name in names() if name in fast)


def find(name: str, known: Iterable[str] | None = None) -> Any:
    """The measure of this name.

    Args:
        name: of a `Measure`, an `Attack` or a `Comparison`.
        known: the names to choose among; by default all.

    Raises:
        GradmaskError: there is none, or its file does not define it.
    """
    known = names() if known is None else tuple(known)
    if name not in known:
        raise GradmaskError(f"no such measure: {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}")
    if name in _registered:
        return _registered[name]
    return _load(next(entry for entry in _files() if entry.name == name))


def loaded(*kinds: Kind) -> list[Any]:
    """The measures of these kinds themselves, in the order of the page."""
    return [find(entry.name) for entry in entries(*kinds)]


def _known(name: Any) -> Any:
    known = [repr(each) for each in names()]
    if repr(name) not in known:
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(known[:-1])} or {known[-1]}"})
    return name


MeasureName = Annotated[str, BeforeValidator(_known)]
"""The name of a measure, as a field that is checked when it is given."""


@cache
def _files() -> tuple[Entry, ...]:
    return tuple(
        Entry(module.name, kind, **_constants(Path(module.module_finder.path) / f"{module.name}.py", module.name))
        for kind in KINDS
        for module in pkgutil.iter_modules(import_module(f"{__package__}.{kind}").__path__)
        if isinstance(module.module_finder, FileFinder)
    )


def _constants(path: Path, name: str) -> dict[str, Any]:
    """``quick`` and ``order`` as they stand in the class with this name, without importing the file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        values = _assigned(node) if isinstance(node, ast.ClassDef) else {}
        if values.get("name") == name:
            return {key: values[key] for key in ("quick", "order") if key in values}
    return {}  # `_load` says what is wrong with the file; until then the command line starts


def _assigned(node: ast.ClassDef) -> dict[str, Any]:
    pairs = [(s.targets[0], s.value) for s in node.body if isinstance(s, ast.Assign)]
    return {t.id: v.value for t, v in pairs if isinstance(t, ast.Name) and isinstance(v, ast.Constant)}


@cache
def _load(entry: Entry) -> Registered:
    module = import_module(f"{__package__}.{entry.kind}.{entry.name}")
    base = KINDS[entry.kind]
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, base) and getattr(value, "name", None) == entry.name:
            return _checked(value, entry.kind)()
    raise GradmaskError(
        f"{module.__file__} defines no {base.__name__} with the name {entry.name!r}: add it, or move the file"
    )


def _checked(measure: type, kind: Kind | None = None) -> type:
    """``measure``, where it is whole and lies in the folder of its kind."""
    missing = [part for part in ("name", "question", "Result") if not hasattr(measure, part)]
    missing += sorted(getattr(measure, "__abstractmethods__", ()))
    if missing:
        raise GradmaskError(f"{measure.__name__} lacks {', '.join(missing)}, which a measure needs")
    if kind not in (None, _kind(measure)):
        raise GradmaskError(f"{measure.__name__} is in {kind}/, but belongs in {_kind(measure)}/: move its file")
    return measure


def _kind(measure: type) -> Kind:
    return next(kind for kind, base in KINDS.items() if issubclass(measure, base))


def _entry(measure: Registered) -> Entry:
    return Entry(measure.name, _kind(type(measure)), measure.quick, measure.order)
