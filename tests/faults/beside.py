"""Faults that are not of the machine: two commands on one folder, a clock that goes back, moved data, another version."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import yaml
from tests.faults.children import Ended, at_write, die, run

if TYPE_CHECKING:
    from tests.faults.trials import Reference, Scene

YEARS = 3e8
"""Seconds that a clock is set back."""


def beside(scene: Scene, rng: random.Random, reference: Reference, phase: str) -> tuple[Ended, str]:
    """Train, and do another phase at a random write of it; how training ended, and what the other command said."""
    log = scene.folder / f"beside-{phase}.log"
    number = rng.randint(reference.writes["train"] // 3, reference.writes["train"] - 2)
    ended = scene.do("train", before=at_write(scene.folder, number, lambda: run(scene.argv(phase), log) and None))
    return ended, log.read_text(encoding="utf-8") if log.exists() else ""


def two_trainings(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """A second training begins in the folder of the first: it is refused, and the first ends as if alone."""
    ended, said = beside(scene, rng, reference, "train")
    return replace(ended, said=said if "another process is working" in said else "")


def evaluated_meanwhile(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """The run is measured while it trains: refused, or measured as far as it is."""
    ended, said = beside(scene, rng, reference, "evaluate")
    return replace(ended, said=said)


def exported_meanwhile(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """The run is exported while it trains: refused, or its finished arm is exported."""
    ended, said = beside(scene, rng, reference, "export")
    return replace(ended, said=said)


def clock_back(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """The clock goes back by years during a run, which is then killed and resumed by the old time."""
    writes = reference.writes["train"]
    scene.do("train", before=at_write(scene.folder, rng.randint(writes // 2, writes - 2), die))
    early = rng.randint(1, max(1, writes // 4))
    return scene.do("train", before=at_write(scene.folder, early, set_back, ever_after=True))


def set_back() -> None:
    """From now on, this process lives years ago."""
    if not hasattr(time, "_before"):
        now: Callable[[], float] = time.time
        vars(time)["_before"] = now
        time.time = lambda: now() - YEARS


def data_moved(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """The data is moved, with equal contents, and the recipe says so: the run goes on."""
    _stopped(scene, rng, reference)
    text = scene.recipe.read_text()
    data = yaml.safe_load(text)
    source = data["data"]["sources"][0]
    moved = scene.folder / "elsewhere.jsonl"
    shutil.move(source["path"], moved)
    old, source["path"] = source["path"], str(moved)
    scene.recipe.write_text(yaml.safe_dump(data))
    scene.do("train")
    shutil.move(moved, old)
    scene.recipe.write_text(text)
    return scene.do("train")  # and back


def another_version(scene: Scene, rng: random.Random, reference: Reference) -> Ended:
    """The run is resumed by another version of the libraries."""
    _stopped(scene, rng, reference)
    return scene.do("train", before=_other_versions)


def _other_versions() -> None:
    import torch
    import transformers

    import gradmask

    for library in (gradmask, transformers, torch):
        own: Any = library
        own.__version__ = "0.0.1"


def _stopped(scene: Scene, rng: random.Random, reference: Reference) -> None:
    """Killed where training has begun, and not ended."""
    writes = reference.writes["train"]
    scene.do("train", before=at_write(scene.folder, rng.randint(writes // 2, int(0.8 * writes)), die))
