"""What a run's folder holds of the training text, and deleting it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gradmask.errors import GradmaskError
from gradmask.lab.run.checkpoints import checkpoints
from gradmask.lab.run.folder import RunFolder


@dataclass(frozen=True)
class Remnant:
    """One thing that holds text, or weights that learned from it."""

    path: Path
    why: str

    @property
    def size(self) -> int:
        """Bytes of all files."""
        files = [self.path] if self.path.is_file() else [p for p in self.path.rglob("*") if p.is_file()]
        return sum(p.stat().st_size for p in files if not p.is_symlink())


UNKNOWN = (
    "the sources of the data, which the recipe names, are not touched",
    "copies elsewhere: exports, uploads, backups, snapshots of the file system, trackers (train.report_to)",
    "caches of other libraries, such as ~/.cache/huggingface, and other runs of the same data",
    "deleted files may be read from the disk until they are overwritten",
)
"""What a purge cannot know, or does not do."""


KNOWN = (
    "data",
    "arms",
    "evidence",
    "results.json",
    "report",
    "inspection.json",
    "recipe.yaml",
    "settings.json",
    "state.json",
    ".lock",
)


def remnants(run: RunFolder) -> list[Remnant]:
    """Everything in a run's folder that holds training text, or a model with the removable groups.

    Raises:
        GradmaskError: the folder holds no run.
    """
    run.recipe()
    return [remnant for remnant in _candidates(run) if remnant.path.exists()]


def _candidates(run: RunFolder) -> Iterator[Remnant]:
    yield Remnant(run.data, "prepared data: every training and held-out text as tokens, and the tokenizer")
    yield Remnant(run.inspection, "examples of the data, and what is wrong with it")
    for arm in sorted(path for path in (run.path / "arms").glob("*") if path.is_dir()):
        yield Remnant(arm / "model", "a trained model with its removable groups, and the tokenizer")
        for place in (arm, arm / "consolidation"):
            for checkpoint in checkpoints(place):
                yield Remnant(checkpoint, "a checkpoint: weights of all groups, and the optimizer's state")
        yield Remnant(arm / "consolidation" / "model", "a model with its removable groups")
        for path in sorted(arm.glob(".*")):
            yield Remnant(path, "left by a run that was killed")
    yield Remnant(run.path / "evidence", "what measures kept: samples, prompts from held-out text")
    yield Remnant(run.results, "results, with samples that the models wrote and prompts from held-out text")
    yield Remnant(run.path / "state.json", "how the run ended; the message of a failure may quote a document")
    yield Remnant(run.report, "the report, with samples and prompts")
    for path in sorted(run.path.iterdir()):
        if path.name not in KNOWN:
            yield Remnant(path, "not written by gradmask train, or left by a run that was killed")


def purge(run: RunFolder, found: list[Remnant]) -> None:
    """Delete what was found; the recipe and the logs of losses stay.

    Raises:
        GradmaskError: another process works in the folder, or something could not be deleted.
    """
    with run.locked():
        for remnant in found:
            if remnant.path.is_dir() and not remnant.path.is_symlink():
                shutil.rmtree(remnant.path)
            else:
                remnant.path.unlink(missing_ok=True)
    left = [remnant.path for remnant in found if remnant.path.exists()]
    if left:
        raise GradmaskError(f"{left[0]} could not be deleted")
