"""From a run's folder to the checkpoint that is exported."""

from __future__ import annotations

from pathlib import Path

import gradmask as gm
from gradmask.errors import GradmaskError
from gradmask.lab.run.folder import RunFolder, near


def checkpoint_of(source: Path) -> Path:
    """The partitioned checkpoint that ``source`` is or holds.

    Raises:
        GradmaskError: it is neither a checkpoint nor a run whose gradmask arm is trained.
    """
    if (source / gm.MANIFEST).is_file():
        return source
    run = RunFolder(source)
    if run.recipe_file.is_file():
        arm = run.arm("gradmask")
        if arm.finished:
            return arm.model
        raise GradmaskError(f"the gradmask arm of {source} is not trained yet: run gradmask train again")
    if not source.is_dir():
        hint = near(source) or near(source, gm.MANIFEST)
        raise GradmaskError(
            f"there is no folder {source}: give a run, or a checkpoint with gradmask.json{hint and '.'}{hint}"
        )
    raise GradmaskError(
        f"{source} is neither a run (no recipe.yaml) nor a partitioned checkpoint (no gradmask.json): give one of the two"
    )


def run_of(source: Path) -> RunFolder:
    """The run that ``source`` is, or that a checkpoint lies in.

    Raises:
        GradmaskError: it lies in none.
    """
    for folder in (source, *source.resolve().parents[:3]):
        if RunFolder(folder).recipe_file.is_file():
            return RunFolder(folder)
    raise GradmaskError(
        f"{source} is not, and does not lie in, the folder of a run, so its training data is not at hand"
    )
