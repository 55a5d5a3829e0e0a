"""Files that are longer than what they can hold: a hole of a terabyte costs nothing to make, and an hour to read."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from pathlib import Path

LONGEST_TEXT = 1 << 28
"""Bytes of a config, an index or a tokenizer; those of the largest published models have a fifth."""
LONGEST_HEADER = 100_000_000
"""Bytes of a header that safetensors itself reads, at most."""


def too_long(folder: Path, names: Iterable[str], texts: bool = True) -> dict[str, str]:
    """File -> what is wrong about its length, in words; nothing but headers is read.

    Args:
        folder: of a checkpoint.
        names: of plain files in it.
        texts: every other file than weights is a text (as in an export).
    """
    found = {}
    for name in names:
        path = folder / name
        size = path.stat().st_size
        most = _held(path) if name.endswith(".safetensors") else LONGEST_TEXT if texts else size
        if size > most:
            found[name] = f"has {size:,} bytes, of which {most:,} can be its own"
    return found


def _held(path: Path) -> int:
    """Bytes of a safetensors file by its header; 0 where that is none."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, LONGEST_HEADER)))
    except OSError:  # no right to read it
        return path.stat().st_size
    except (ValueError, RecursionError, struct.error):
        return 0
    try:
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        return 8 + length + max(ends, default=0)
    except (KeyError, TypeError, IndexError, AttributeError):
        return 0
