"""Every method that has a file in the folder ``methods``; the file's name is the method's. No other place lists them."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.unlearning import methods

if TYPE_CHECKING:
    from gradmask.lab.unlearning.method import Method


def method_names() -> list[str]:
    """The names of all methods, read from the folder: no method is imported, and PyTorch neither."""
    return sorted(module.name for module in pkgutil.iter_modules(methods.__path__))


def method(name: str) -> type[Method]:
    """The method of that name.

    Raises:
        GradmaskError: there is no such file, or it does not hold exactly one `Method` of that name.
    """
    from gradmask.lab.unlearning.method import Method

    known = method_names()
    if name not in known:
        hint = did_you_mean(name, known)
        raise GradmaskError(f"no unlearning method is called {name!r}.{hint} Methods: {', '.join(known)}")
    module = import_module(f"{methods.__name__}.{name}")
    own = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__]
    classes = [c for c in own if issubclass(c, Method)]
    if [c.name for c in classes] != [name]:
        given = ", ".join(f"{c.__name__} (name {c.name!r})" for c in classes) or "none"
        raise GradmaskError(f"{module.__file__} needs one subclass of Method with name = {name!r}; it has {given}")
    return classes[0]


def grid(name: str) -> Sequence[Method]:
    """The settings that a method is tuned over.

    Raises:
        GradmaskError: see `method`.
    """
    return method(name).grid()
