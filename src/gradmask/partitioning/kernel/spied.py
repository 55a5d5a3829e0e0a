"""A tensor that tells when it is computed with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Spied(Tensor):
    """A weight whose ``note`` is called when it is computed with; code may ask for its dtype, say, without being noticed."""

    @classmethod
    def over(cls, parameter: Tensor, note: Callable[[], None]) -> Tensor:
        spied = parameter.detach().as_subclass(cls)
        spied.__dict__["note"] = note
        return spied

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        spied = [a for a in args if isinstance(a, cls)]
        if getattr(func, "__self__", None) not in HARMLESS:
            for each in spied:
                each.__dict__.get("note", lambda: None)()
        plain = [a.as_subclass(Tensor) if isinstance(a, cls) else a for a in args]
        with torch._C.DisableTorchFunctionSubclass():
            return func(*plain, **(kwargs or {}))


HARMLESS = [
    Tensor.dtype,
    Tensor.device,
    Tensor.shape,
    Tensor.ndim,
    Tensor.is_meta,
    Tensor.is_cuda,
]
