"""Tensors on disk instead of in memory, while a checkpoint is written.

A merged weight is a copy of its parts. All of them together are a second copy of the model, so each is moved to a file as
soon as it is made, and read from there: the pages belong to the file, and the system may drop them at any time.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from gradmask.partitioning import RoutingContext
from gradmask.partitioning.kernel.merged import plain

Store = Callable[[Tensor], Tensor]


@contextmanager
def scratch(beside: Path) -> Iterator[Store]:
    """Within: a function that moves a tensor into a file of its own, on the disk that ``beside`` lies on.

    The files vanish with the tensors; their names are gone at the end.
    """
    beside.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{beside.name}.scratch.", dir=beside.parent) as folder:
        count = 0

        def store(tensor: Tensor) -> Tensor:
            nonlocal count
            count += 1
            return _move(tensor, Path(folder, str(count)))

        yield store


@torch.no_grad()
def _move(tensor: Tensor, file: Path) -> Tensor:
    value = plain(tensor).detach()
    if not value.numel():
        return value
    with file.open("wb") as opened:
        os.posix_fallocate(
            opened.fileno(), 0, value.nbytes
        )  # a full disk is an error here, and a crash in mapped memory
    memory = torch.from_file(str(file), shared=True, size=value.nbytes, dtype=torch.uint8, device="cpu")
    moved = memory.view(value.dtype).view(value.shape)
    moved.copy_(value)
    file.unlink()  # the mapping lives on, and the disk is free again when it ends, even after a crash
    return moved


def outline(tensor: Tensor) -> Tensor:
    """Its shape and dtype alone."""
    return torch.empty_like(plain(tensor), device="meta")


@contextmanager
def storing(context: RoutingContext, store: Store) -> Iterator[None]:
    """Within: what a state dict of the model merges goes through ``store``."""
    before, context.store = context.store, store
    try:
        yield
    finally:
        context.store = before
