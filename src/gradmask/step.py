"""One step of gradient descent that updates only the parameters which a binary mask and the batch's type select.

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
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NoReturn, get_args

import array_api_compat
import numpy as np
from array_api_compat import numpy as numpy_xp

from gradmask.errors import GradmaskError, did_you_mean

BatchType = Literal["forget", "retain", "unlabeled"]
BATCH_TYPES = get_args(BatchType)

_BLOCK = 1 << 16
"""Entries of a block on a CPU, so that the temporaries of a block stay in a core's cache.

Up to four times as many for large arrays: each call of NumPy releases the interpreter lock, and threads queue for it.
"""

_SHARE = 1 << 19
"""Entries for which one more thread pays off (NumPy releases the interpreter lock)."""

_INTEGERS = {2: "int16", 4: "int32", 8: "int64"}
"""By the bytes of an entry: the integers that select bits, p + (stepped - p) · chosen, which wraps around and so is exact.

Exact for every NaN, and for subnormal numbers where the processor flushes them; several times as fast as a masked copy or
a `where` on a CPU when the mask is irregular.
"""


def masked_gradient_step(params: Any, grad: Any, forget_mask: Any, lr: float, batch_type: BatchType) -> Any:
    """One masked gradient step: the update in the table above.

    Args:
        params: parameters θ, any shape; a NumPy array-like (lists included), or an array of any library that follows the
            array API (PyTorch, JAX, CuPy). Integers are taken as the library's default floating-point numbers.
        grad: their gradient, of the same shape and kind.
        forget_mask: M, of the same shape and kind; boolean, or the numbers 0 and 1. 1 marks a forget parameter.
        lr: the learning rate η, finite and not negative.
        batch_type: ``'forget'``, ``'retain'`` or ``'unlabeled'``.

    Returns:
        A new array of ``params``'s kind, device, dtype and shape (a plain NumPy array for array-likes and subclasses;
        detached from any autograd graph). Entries that the batch does not update are ``params``'s bit for bit, whatever
        ``grad`` holds there; the others equal ``params - lr * grad`` (bit for bit, but for which NaN it is).

    Raises:
        GradmaskError: (a `ValueError`) an unknown batch type, a learning rate that is not a number, negative or not finite,
            shapes that differ, arrays of different kinds or on different devices, complex or non-numeric entries, a mask
            entry other than 0 and 1.
    """
    _check_batch_type(batch_type)
    rate = _check_rate(lr)
    xp, arrays = _same_kind({"params": params, "grad": grad, "forget_mask": forget_mask})
    theta, g = (_as_floating(xp, name, arrays[name]) for name in ("params", "grad"))
    mask = arrays["forget_mask"]
    _check_shapes(arrays)
    if not xp.isdtype(mask.dtype, ("bool", "integral", "real floating")):
        raise GradmaskError(f"forget_mask must be boolean or hold 0 and 1, got dtype {mask.dtype}")
    if array_api_compat.is_numpy_array(theta):
        out = np.empty_like(theta)
        _numpy((theta, g, mask, out), rate, batch_type, min(4, os.cpu_count() or 1))
        return out
    if array_api_compat.is_torch_array(theta):
        return _torch(theta, g, mask, rate, batch_type)
    return _generic(xp, theta, g, mask, rate, batch_type)


def _check_batch_type(batch_type: object) -> None:
    if not isinstance(batch_type, str) or batch_type not in BATCH_TYPES:
        hint = did_you_mean(str(batch_type), BATCH_TYPES)
        raise GradmaskError(f"batch_type must be 'forget', 'retain' or 'unlabeled', got {batch_type!r}.{hint}")


def _check_rate(lr: Any) -> float:
    try:
        rate = math.nan if isinstance(lr, str | bytes | bool) else float(lr)
    except (TypeError, ValueError, OverflowError):
        rate = math.nan
    if not math.isfinite(rate) or rate < 0:
        raise GradmaskError(f"lr must be a finite number, not negative, got {lr!r}")
    return rate


def _same_kind(given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The array namespace that all three share; anything that belongs to no array library becomes a NumPy array."""
    theirs = [array_api_compat.is_array_api_obj(x) and not array_api_compat.is_numpy_array(x) for x in given.values()]
    if not any(theirs):
        return numpy_xp, {name: _to_numpy(name, x) for name, x in given.items()}
    try:
        if all(theirs):
            return array_api_compat.array_namespace(*given.values()), given
    except TypeError:
        pass
    kinds = ", ".join(f"{name} is {_kind(x)}" for name, x in given.items())
    raise GradmaskError(f"params, grad and forget_mask must be arrays of one kind, but {kinds}: convert them")


def _kind(x: object) -> str:
    room = type(x).__module__.split(".")[0]
    return type(x).__name__ if room == "builtins" else f"{room}.{type(x).__name__}"


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
    if xp.isdtype(x.dtype, "real floating"):
        return x
    if xp.isdtype(x.dtype, "integral"):
        return xp.astype(x, xp.asarray(0.5).dtype)
    raise GradmaskError(f"{name} must hold real numbers, got dtype {x.dtype}")


def _numpy(arrays: tuple[np.ndarray, ...], lr: float, batch_type: str, workers: int) -> None:
    """Fill the last of ``arrays`` (params, grad, mask, out)."""
    size = arrays[-1].size
    workers = max(1, min(workers, size // _SHARE))
    edges = [size * i // workers for i in range(workers + 1)]
    block = max(_BLOCK, min(4 * _BLOCK, size // (16 * workers)))

    def work(start: int, stop: int) -> None:
        _numpy_range(arrays, lr, batch_type, (start, stop), block)

    if workers == 1:
        work(0, size)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, edges[:-1], edges[1:]))


def _numpy_range(arrays: tuple[np.ndarray, ...], lr: float, batch_type: str, span: tuple[int, int], block: int) -> None:
    """The entries ``span`` of ``arrays`` (params, grad, mask, out), in blocks and in the order of memory."""
    theta, g, _, _ = arrays
    size = min(block, span[1] - span[0])
    moved = np.empty(size, np.result_type(theta, g))
    stepped = moved if moved.dtype == theta.dtype else np.empty(size, theta.dtype)
    chosen = np.empty(size, _INTEGERS.get(theta.itemsize, "int8"))
    blocks = np.nditer(
        arrays,
        flags=["external_loop", "buffered", "ranged", "zerosize_ok"],
        op_flags=[["readonly"], ["readonly"], ["readonly"], ["writeonly"]],
        buffersize=block,
    )
    blocks.iterrange = span  # type: ignore[misc]  # the stubs know no setter
    with blocks, np.errstate(all="ignore"):
        for p, slope, m, out in blocks:
            on = _numpy_mask(m)
            n = p.size
            np.multiply(slope, lr, out=moved[:n])
            if batch_type == "unlabeled":
                np.subtract(p, moved[:n], out=out, casting="same_kind")
            else:
                np.subtract(p, moved[:n], out=stepped[:n], casting="same_kind")
                _numpy_choose(p, stepped[:n], on, chosen[:n], batch_type == "forget", out)


def _numpy_choose(
    p: np.ndarray, stepped: np.ndarray, on: np.ndarray, chosen: np.ndarray, where: bool, out: np.ndarray
) -> None:
    """``out = stepped`` where ``on`` is ``where``, else ``p``; ``chosen`` is overwritten."""
    if p.itemsize not in _INTEGERS:
        np.copyto(out, np.where(on == where, stepped, p))
        return
    np.copyto(chosen, on)
    old, new, bits = p.view(chosen.dtype), stepped.view(chosen.dtype), out.view(chosen.dtype)
    base, other = (old, new) if where else (new, old)
    np.subtract(other, base, out=bits)
    np.multiply(bits, chosen, out=chosen)
    np.add(base, chosen, out=bits)


def _numpy_mask(mask: np.ndarray) -> np.ndarray:
    """The mask as booleans; every call releases the interpreter lock and waits for it again, so fewer calls are faster."""
    if mask.dtype == np.bool_:
        return mask
    if mask.itemsize == 1 and mask.dtype.kind in "iu":
        if mask.view(np.uint8).max(initial=0) > 1:
            _wrong_mask(mask[mask.view(np.uint8) > 1][0])
        return mask.view(np.bool_)
    on, ones = mask != 0, mask == 1
    if (on != ones).any():
        _wrong_mask(mask[on != ones][0])
    return on


def _torch(theta: Any, g: Any, mask: Any, lr: float, batch_type: str) -> Any:
    import torch

    if not theta.device == g.device == mask.device:
        where = f"params is on {theta.device}, grad on {g.device}, forget_mask on {mask.device}"
        raise GradmaskError(f"params, grad and forget_mask must be on one device, but {where}: move them")
    with torch.no_grad():
        theta, g, mask = theta.detach(), g.detach(), mask.detach()
        out = torch.empty_like(theta)
        if theta.device.type != "cpu" or not {theta.dtype, g.dtype} <= {torch.float32, torch.float64}:
            _torch_fill(theta, g, _torch_mask(mask), out, lr, batch_type)
            return out
        if mask.is_floating_point() and mask.element_size() < 4:
            mask = _torch_mask(mask)
        shared = tuple(x.numpy(force=True) for x in (theta, g, mask))
        _numpy((*shared, out.numpy()), lr, batch_type, min(16, torch.get_num_threads()))
    return out


def _torch_fill(p: Any, g: Any, on: Any, out: Any, lr: float, batch_type: str) -> None:
    """On accelerators; and for half precisions, whose product with a number PyTorch rounds otherwise than NumPy."""
    import torch

    if g.dtype == p.dtype:
        torch.sub(p, torch.mul(g, lr, out=out), out=out)
    else:
        out.copy_(p - g * lr)
    if batch_type == "unlabeled":
        return
    if p.device.type == "cpu" and p.element_size() in _INTEGERS:
        integer = getattr(torch, _INTEGERS[p.element_size()])
        chosen = on.to(integer)
        chosen = chosen.neg_() if batch_type == "forget" else chosen.sub_(1)
        old, new = p.view(integer), out.view(integer)
        new.bitwise_xor_(old).bitwise_and_(chosen).bitwise_xor_(old)
    else:
        torch.where(on == (batch_type == "forget"), out, p, out=out)


def _torch_mask(mask: Any) -> Any:
    import torch

    if mask.dtype == torch.bool:
        return mask
    on, ones = mask != 0, mask == 1
    if not torch.equal(on, ones):
        _wrong_mask(mask[on != ones][0])
    return on


def _generic(xp: Any, theta: Any, g: Any, mask: Any, lr: float, batch_type: str) -> Any:
    on = xp.astype(mask, xp.bool)
    if not xp.isdtype(mask.dtype, "bool"):
        wrong = xp.astype(on, mask.dtype) != mask
        if bool(xp.any(wrong)):
            _wrong_mask(xp.reshape(mask, (-1,))[int(xp.argmax(xp.astype(xp.reshape(wrong, (-1,)), xp.int8)))])
    stepped = xp.astype(theta - g * lr, theta.dtype)
    if batch_type == "unlabeled":
        return stepped
    return xp.where(on, stepped, theta) if batch_type == "forget" else xp.where(on, theta, stepped)


def _wrong_mask(entry: Any) -> NoReturn:
    raise GradmaskError(f"forget_mask must be boolean or hold only 0 and 1, got an entry {float(entry):g}")
