"""Has anything entered a partitioned model? A count of the modules and parameters that were registered in such models.

PyTorch calls a hook for each registration in the process. Those in modules that nobody watches are none of ours:
Transformers makes a list of blocks in every forward pass.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

_count = 0
_watched: WeakSet[nn.Module] = WeakSet()
"""The modules of all partitioned models, as of when each was last walked."""


def _register(module: nn.Module, *_: Any) -> None:
    global _count
    if not torch.compiler.is_compiling():  # a compiled graph would have to be compiled again whenever the count moves
        _count += module in _watched


register_module_module_registration_hook(_register)
register_module_parameter_registration_hook(_register)


def registrations() -> int:
    """How many there were in watched modules."""
    return _count


def watch_registrations(model: nn.Module) -> int:
    """Count what enters the modules that ``model`` has now; returns the count."""
    _watched.update(model.modules())
    return _count
