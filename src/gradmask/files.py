"""Files that are written as a whole or not at all (write, then rename)."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

CHECKPOINT_SEAL = "complete.json"
"""The file that `gradmask train` writes last into a checkpoint; it holds the hashes of all others."""


def write_whole(path: Path, text: str) -> None:
    """Write a file under a temporary name beside it, then rename it; its folder is made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
