"""Checkpoints that are whole: sealed when everything is written, checked before they are used.

A checkpoint is the folder that `transformers.Trainer` writes. Its seal, ``complete.json``, is written last and in one
step; it holds every file's size and SHA-256. A folder without a seal, or one that its seal does not fit, is torn.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import gradmask as gm
from gradmask.files import CHECKPOINT_SEAL, sha256
from gradmask.lab.run.folder import write_json

SEAL = CHECKPOINT_SEAL
UNSAFE = "training_args.bin"
"""A pickle that Trainer writes and nobody here reads."""


@dataclass(frozen=True)
class LastCheckpoint:
    """The newest whole checkpoint of an arm, if any, and what was skipped on the way to it."""

    path: Path | None
    torn: tuple[str, ...] = ()

    @property
    def step(self) -> int:
        return step_of(self.path) if self.path else 0


def step_of(checkpoint: Path) -> int:
    """The optimizer step after which a checkpoint was made."""
    return int(checkpoint.name.rpartition("-")[2])


def checkpoints(arm: Path) -> list[Path]:
    """Checkpoint folders of an arm, oldest first, whole or not."""
    folders = (path for path in arm.glob("checkpoint-*") if path.is_dir())
    return sorted((path for path in folders if path.name.rpartition("-")[2].isdecimal()), key=step_of)


def seal(checkpoint: Path) -> None:
    """Declare a checkpoint whole, now that everything is written."""
    (checkpoint / UNSAFE).unlink(missing_ok=True)
    gm.seal(checkpoint)
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != SEAL)
    write_json(
        checkpoint / SEAL,
        {path.relative_to(checkpoint).as_posix(): [path.stat().st_size, sha256(path)] for path in files},
    )


def torn(checkpoint: Path) -> str | None:
    """Why a checkpoint is not whole; None where it is."""
    if not (checkpoint / SEAL).is_file():
        return "it was not finished"
    try:
        seals = json.loads((checkpoint / SEAL).read_text(encoding="utf-8"))
        files = [(str(name), int(size), str(digest)) for name, (size, digest) in seals.items()]
    except (ValueError, TypeError, AttributeError):
        return f"its {SEAL} is damaged"
    for name, size, digest in files:
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes, not {size}"
        if sha256(path) != digest:
            return f"{name} was changed"
    return None


def newest(arm: Path) -> LastCheckpoint:
    """The newest whole checkpoint; newer torn ones are listed, with what is wrong."""
    messages = []
    for path in reversed(checkpoints(arm)):
        reason = torn(path)
        if reason is None:
            return LastCheckpoint(path, tuple(messages))
        messages.append(f"{path} is torn and skipped: {reason}")
    return LastCheckpoint(None, tuple(messages))


def sweep(arm: Path, after: int = -1) -> None:
    """Delete checkpoints later than step ``after``, which a run that resumes from there makes anew."""
    for path in checkpoints(arm):
        if step_of(path) > after:
            shutil.rmtree(path)


def sweep_unsealed(arm: Path) -> None:
    """Delete what a failed write left."""
    for path in checkpoints(arm):
        if not (path / SEAL).is_file():
            shutil.rmtree(path, ignore_errors=True)


def rotate(arm: Path, keep: int) -> None:
    """Delete all but the newest ``keep`` checkpoints. Call after sealing, so that a whole one always remains."""
    for path in checkpoints(arm)[:-keep]:
        shutil.rmtree(path, ignore_errors=True)


def bytes_needed(parameters: int, buffers: int = 0) -> int:
    """Bytes that a checkpoint of an AdamW run takes: float32 weights and two moments, and some for the rest."""
    return 12 * parameters + 4 * buffers + 2**20
