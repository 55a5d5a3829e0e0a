"""Pickles, copies and spawned processes of modules whose class was made at run time.

Pickle names a class by its module and name, and those of ours name the plain class. So a pickle holds the plain class and
how ours is made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def reduced(module: Any, reduction: Any, make: Callable[..., type], *args: Any) -> Any:
    """What ``__reduce_ex__`` of a module returns, so that its class is made again.

    Args:
        module: an instance of ``make(*args)``, or of a class that something made of that since; the latter is left as it is.
        reduction: what the plain ``__reduce_ex__`` gave, of protocol 2 or later.
        make: makes the class; a function of a module, so that a pickle can name it.
        args: of ``make``.
    """
    if type(module) is not make(*args):
        return reduction
    return (new_instance, (make, args), *reduction[2:])


def new_instance(make: Callable[..., type], args: tuple[Any, ...]) -> Any:
    """An empty instance, which pickle and `copy` fill."""
    made: Any = make(*args)
    return made.__new__(made)
