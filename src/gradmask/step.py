"""The equation: one step of gradient descent that a binary mask and a batch's type confine.

=============  ==================================
``forget``     params − lr · (mask ⊙ grad)
``retain``     params − lr · ((1 − mask) ⊙ grad)
``unlabeled``  params − lr · grad
=============  ==================================

A masked-out entry is *returned as it was*, not moved by zero: 0 · NaN is NaN, and −0.0 − 0.0 · g may lose its sign.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, get_args

import array_api_compat
import numpy as np

from gradmask.errors import GradmaskError, did_you_mean

BatchType = Literal["forget", "retain", "unlabeled"]
BATCH_TYPES = get_args(BatchType)

_CHUNK = 1 << 15
"""Entries worked on at a time on a CPU: three float32 chunks and a mask stay in a core's cache."""

_THREADED = 1 << 20
"""From this many entries on, NumPy's work is shared among threads (NumPy lets go of the interpreter lock)."""


def masked_gradient_step(params: Any, grad: Any, forget_mask: Any, lr: float, batch_type: BatchType) -> Any:
    """One masked gradient step (the seed's equation, in the table above).

    Args:
        params: parameters θ, any shape; a NumPy array-like (lists included), or an array of any library that follows the
            array API (PyTorch, JAX, CuPy). Integers are taken as floating-point numbers.
        grad: their gradient, of the same shape and kind.
        forget_mask: M, of the same shape and kind; boolean, or the numbers 0 and 1. 1 marks a forget parameter.
        lr: the learning rate η, finite and not negative.
        batch_type: ``'forget'``, ``'retain'`` or ``'unlabeled'``.

    Returns:
        A new array of ``params``'s kind, device, dtype and shape (a NumPy array for array-likes; detached from any
        autograd graph). Entries that the batch does not update are ``params``'s bit for bit, whatever ``grad`` holds there.

    Raises:
        GradmaskError: (a `ValueError`) an unknown batch type, a learning rate that is negative or not finite, shapes that
            differ, arrays of different kinds, complex or non-numeric entries, a mask entry other than 0 and 1.
    """
    _check_batch_type(batch_type)
    rate = _check_rate(lr)
    given = {"params": params, "grad": grad, "forget_mask": forget_mask}
    xp, arrays = _same_kind(given)
    _check_shapes(arrays)
    theta, g = (_as_floating(xp, name, arrays[name]) for name in ("params", "grad"))
    mask = arrays["forget_mask"]
    if not array_api_compat.is_numpy_array(theta) and not array_api_compat.is_torch_array(theta):
        return _generic(xp, theta, g, mask, rate, batch_type)
    if array_api_compat.is_numpy_array(theta):
        return _numpy(theta, g, mask, rate, batch_type)
    return _torch(theta, g, mask, rate, batch_type)


def _check_batch_type(batch_type: object) -> None:
    if batch_type not in BATCH_TYPES:
        hint = did_you_mean(str(batch_type), BATCH_TYPES)
        raise GradmaskError(f"batch_type must be 'forget', 'retain' or 'unlabeled', got {batch_type!r}.{hint}")


def _check_rate(lr: object) -> float:
    try:
        rate = float(lr)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise GradmaskError(f"lr must be a finite number, not negative, got {lr!r}") from None
    if not math.isfinite(rate) or rate < 0:
        raise GradmaskError(f"lr must be a finite number, not negative, got {lr!r}")
    return rate


def _same_kind(given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    foreign = {name: x for name, x in given.items() if not _is_array_like(x)}
    if not foreign:
        return np, {name: _to_numpy(name, x) for name, x in given.items()}
    try:
        xp = array_api_compat.array_namespace(*given.values())
    except TypeError:
        kinds = ", ".join(f"{name} is {_kind(x)}" for name, x in given.items())
        raise GradmaskError(
            f"params, grad and forget_mask must be arrays of one kind, but {kinds}: convert them"
        ) from None
    return xp, given


def _kind(x: object) -> str:
    room = type(x).__module__.split(".")[0]
    return type(x).__name__ if room == "builtins" else f"{room}.{type(x).__name__}"


def _is_array_like(x: object) -> bool:
    return isinstance(x, np.ndarray | np.generic | list | tuple | int | float)


def _to_numpy(name: str, x: Any) -> np.ndarray:
    try:
        return np.asarray(x)
    except ValueError as error:
        raise GradmaskError(f"{name} must be a rectangular array of numbers: {error}") from None


def _check_shapes(arrays: dict[str, Any]) -> None:
    expected = tuple(arrays["params"].shape)
    for name, x in arrays.items():
        if tuple(x.shape) != expected:
            raise GradmaskError(
                f"{name} has shape {tuple(x.shape)}, but params has shape {expected}: they must be equal"
            )


def _as_floating(xp: Any, name: str, x: Any) -> Any:
    if xp.isdtype(x.dtype, "real floating") if hasattr(xp, "isdtype") else np.issubdtype(x.dtype, np.floating):
        return x
    if xp.isdtype(x.dtype, "integral"):
        return xp.astype(x, xp.asarray(0.5).dtype)
    raise GradmaskError(f"{name} must hold real numbers, got dtype {x.dtype}")


def _numpy(theta: np.ndarray, g: np.ndarray, mask: np.ndarray, lr: float, batch_type: str) -> np.ndarray:
    _check_mask_dtype(mask.dtype.kind in "biuf", mask.dtype)
    out = np.empty(theta.shape, theta.dtype)
    keep = None if batch_type == "unlabeled" else (batch_type == "retain")
    work = partial(_numpy_span, _flat(theta), _flat(g), _flat(mask), out.reshape(-1), lr, keep)
    if out.size < _THREADED:
        work(0, out.size)
        return out
    workers = min(4, os.cpu_count() or 1)
    edges = [out.size * i // workers for i in range(workers + 1)]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))
    return out


def _numpy_span(
    theta: np.ndarray, g: np.ndarray, mask: np.ndarray, out: np.ndarray, lr: float, keep: bool | None, a: int, b: int
) -> None:
    moved = np.empty(min(_CHUNK, b - a), np.result_type(theta.dtype, g.dtype))
    bits = np.empty(moved.shape, _BITS[moved.dtype.itemsize]) if moved.dtype.itemsize in _BITS else None
    with np.errstate(all="ignore"):
        for start in range(a, b, _CHUNK):
            part = slice(start, min(start + _CHUNK, b))
            p = theta[part]
            m = moved[: p.size]
            np.multiply(g[part], lr, out=m)
            _numpy_chunk(p, m, _numpy_mask(mask[part]), keep, None if bits is None else bits[: p.size], out[part])


_BITS = {2: np.int16, 4: np.int32, 8: np.int64}


def _numpy_chunk(
    p: np.ndarray, moved: np.ndarray, on: np.ndarray, keep: bool | None, bits: np.ndarray | None, out: np.ndarray
) -> None:
    """``out = p - moved``, and ``p`` where ``on == keep``.

    Clearing the bits of ``moved`` subtracts +0.0, which leaves every number as it is and takes a third of the time of a
    masked copy. A signalling NaN alone would change, so a chunk with any NaN takes the masked copy.
    """
    if keep is None:
        np.subtract(p, moved, out=out, casting="same_kind")
    elif bits is None or np.isnan(p.max()):
        np.subtract(p, moved, out=out, casting="same_kind")
        np.copyto(out, p, where=on if keep else ~on)
    else:
        np.copyto(bits, on.view(np.int8))
        np.subtract(bits, 1, out=bits) if keep else np.negative(bits, out=bits)
        raw = moved.view(bits.dtype)
        np.bitwise_and(raw, bits, out=raw)
        np.subtract(p, moved, out=out, casting="same_kind")


def _flat(x: np.ndarray) -> np.ndarray:
    return np.asarray(x).reshape(-1)


def _numpy_mask(mask: np.ndarray) -> np.ndarray:
    if mask.dtype == np.bool_:
        return mask
    on = mask != 0
    if not np.array_equal(on, mask):
        _wrong_mask(mask[(mask != 0) & (mask != 1)][0])
    return on


def _torch(theta: Any, g: Any, mask: Any, lr: float, batch_type: str) -> Any:
    import torch

    _check_mask_dtype(not mask.dtype.is_complex, mask.dtype)
    with torch.no_grad():
        theta, g, mask = theta.detach(), g.detach(), mask.detach()
        out = torch.empty_like(theta, memory_format=torch.contiguous_format)
        chunk = _CHUNK * 8 if theta.device.type == "cpu" else max(1, theta.numel())
        flat = [x.reshape(-1) for x in (theta, g, mask, out)]
        for start in range(0, theta.numel(), chunk):
            _torch_chunk(*(x[start : start + chunk] for x in flat), lr=lr, batch_type=batch_type)
    return out


def _torch_chunk(p: Any, g: Any, mask: Any, out: Any, *, lr: float, batch_type: str) -> None:
    import torch

    on = mask
    if mask.dtype != torch.bool:
        on = mask != 0
        if not bool((on == mask).all()):
            _wrong_mask(mask[(mask != 0) & (mask != 1)][0].item())
    moved = g * lr
    moved = (p - moved).to(p.dtype) if moved.dtype != p.dtype else torch.sub(p, moved, out=moved)
    if batch_type == "unlabeled":
        out.copy_(moved)
    elif batch_type == "forget":
        torch.where(on, moved, p, out=out)
    else:
        torch.where(on, p, moved, out=out)


def _generic(xp: Any, theta: Any, g: Any, mask: Any, lr: float, batch_type: str) -> Any:
    _check_mask_dtype(xp.isdtype(mask.dtype, ("bool", "integral", "real floating")), mask.dtype)
    on = xp.astype(mask, xp.bool)
    if not xp.isdtype(mask.dtype, "bool") and not bool(xp.all(xp.astype(on, mask.dtype) == mask)):
        _wrong_mask(float(xp.max(xp.where((mask == 0) | (mask == 1), xp.zeros_like(mask), mask))))
    moved = xp.astype(theta - g * lr, theta.dtype)
    pick: dict[str, Callable[[], Any]] = {
        "forget": lambda: xp.where(on, moved, theta),
        "retain": lambda: xp.where(on, theta, moved),
        "unlabeled": lambda: moved,
    }
    return pick[batch_type]()


def _check_mask_dtype(fine: bool, dtype: object) -> None:
    if not fine:
        raise GradmaskError(f"forget_mask must be boolean or hold 0 and 1, got dtype {dtype}")


def _wrong_mask(value: object) -> None:
    raise GradmaskError(f"forget_mask must be boolean or hold only 0 and 1, got an entry {value}")
