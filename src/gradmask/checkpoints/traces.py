"""Looking for the weights of a removed group in the bytes of files."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

WINDOW = 8
"""Neighbouring weights that are looked for together."""
NEEDLES = 48
"""Windows per removed group that are looked for, in every number format."""
FORMATS = (torch.float32, torch.bfloat16, torch.float16)


def traces(parameters: Iterable[nn.Parameter], seed: int = 0) -> Iterator[bytes]:
    """Windows of neighbouring weights as the bytes that a file would hold, in every number format."""
    rng = torch.Generator().manual_seed(seed)
    rows = [p.detach().cpu().reshape(-1, p.shape[-1]) for p in parameters if p.dim() and p.shape[-1] >= WINDOW]
    rows = [matrix for matrix in rows if matrix.count_nonzero()]
    for matrix in rows:
        for _ in range(max(1, NEEDLES // len(rows))):
            i = int(torch.randint(len(matrix), (1,), generator=rng, device="cpu"))
            j = int(torch.randint(matrix.shape[1] - WINDOW + 1, (1,), generator=rng, device="cpu"))
            window = matrix[i, j : j + WINDOW]
            if len(window.unique()) < WINDOW // 2:
                continue  # zeros and repeated values occur in any file
            for dtype in dict.fromkeys((matrix.dtype, *FORMATS)):
                yield window.to(dtype).contiguous().view(torch.uint8).numpy().tobytes()


def holds_any(path: Path, needles: Sequence[bytes]) -> bool:
    """Whether one of these byte strings is in a file."""
    if not needles or not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return any(mapped.find(needle) >= 0 for needle in needles)
