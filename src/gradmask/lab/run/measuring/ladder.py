"""The ladder of plain models for leakage: all that is kept, and a share of the forget text; trained once for all runs.

A rung depends on the data, the model and the training recipe alone, so that it is kept in a folder of its own under their
fingerprint and shared by every run that has them in common, whatever its labels or its policy.
"""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from filelock import FileLock

from gradmask.data import DataSpec, SimulateSpec, column, fingerprint_of, prepare, select_rows
from gradmask.errors import GradmaskError
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.folder import ArmFolder, RunFolder
from gradmask.lab.run.stopping import Stopper
from gradmask.lab.run.team import here
from gradmask.lab.run.training import Training, train_arm

logger = logging.getLogger(__name__)
UNRELATED = {
    "engine",
    "group_learning_rates",
    "consolidation",
    "log_every",
    "eval_every",
    "checkpoint_every",
    "keep",
    "report_to",
    "workers",
}
"""Keys of ``train`` that change nothing of a plain model."""
ARM = "no_filter"
"""The arm as which a rung is trained: everything that it is given, without labels."""


def rung_data(train: Dataset, share: float, seed: int) -> Dataset:
    """All that truly is kept, and a random ``share`` of the true forget sequences; smaller shares are parts of larger ones."""
    forget = column(train, "group") > 0
    there = np.random.default_rng(seed).permutation(np.flatnonzero(forget))
    keep = ~forget
    keep[there[: round(share * len(there))]] = True
    return select_rows(train, keep)


def forget_tokens(train: Dataset, unlabeled: bool = False) -> int:
    """Tokens of true forget sequences; of those alone that are not labeled so, where asked."""
    forget = column(train, "group") > 0
    if unlabeled:
        forget &= column(train, "data_labels") <= 0
    length = len(train[0]["input_ids"]) if len(train) else 0
    return int(forget.sum()) * length


def unlabeled_spec(spec: DataSpec) -> DataSpec:
    """The same data with its true labels alone: what runs with different labels have in common.

    Raises:
        GradmaskError: the labels are not simulated, so that the truth of a sequence is not known.
    """
    require_truth(spec)
    return spec.model_copy(update={"simulate": SimulateSpec(retain_labeled=0.0)})


def require_truth(spec: DataSpec) -> None:
    """Refuse data whose training sequences are not known to be forget or not."""
    if spec.simulate is None:
        raise GradmaskError(
            "it takes the truth of every training sequence, and labels as given do not tell; it is measured where labels are "
            "simulated (data.simulate)"
        )


class Ladder:
    """The rungs of a recipe.

    Args:
        recipe: of the run that is measured.
        steps: optimizer steps of its arms, and so of every rung.
        cache: the folder of all ladders.
    """

    def __init__(self, recipe: Recipe, steps: int, cache: Path) -> None:
        train = recipe.train.model_copy(update={"steps": steps, "epochs": None, "tokens": None, "report_to": []})
        data = unlabeled_spec(recipe.data)
        self.recipe = recipe.model_copy(update={"train": train, "arms": [ARM], "data": data})
        self.cache = cache

    def trained(self, share: float, stopper: Stopper | None = None) -> tuple[ArmFolder, int]:
        """A rung's folder and its forget tokens; trained where it is not yet, an interrupted one is resumed.

        Raises:
            GradmaskError: another process trains it.
            Interrupted: see `gradmask.lab.run.training.train_arm`.
        """
        self.cache.mkdir(parents=True, exist_ok=True)
        with FileLock(self.cache / ".lock"):  # the data is shared by all seeds, and by all processes that train them
            prepared = prepare(self.recipe.data, self.cache / f"data-{fingerprint_of(self.recipe.data)[:16]}")
        part = replace(prepared, train=rung_data(prepared.train, share, self.recipe.data.seed))
        folder = RunFolder(self.cache / f"rung-{self.fingerprint(share)}")
        recipe = self.recipe.model_copy(update={"output": str(folder.path)})
        held = folder.locked() if here().first else nullcontext()
        with held, Stopper().installed() if stopper is None else nullcontext(stopper) as stopper:
            if not here().on_first(lambda: folder.arm(ARM).finished):
                logger.info("training a plain model on %g %% of the forget text", 100 * share)
                train_arm(Training(recipe, folder, stopper), part, ARM, f"ladder {100 * share:g} %")
        return folder.arm(ARM), forget_tokens(part.train)

    def fingerprint(self, share: float) -> str:
        """Of what a rung depends on: neither labels nor policy, nor how often it is logged and saved."""
        parts: dict[str, Any] = {
            "data": fingerprint_of(self.recipe.data),
            "model": self.recipe.model.model_dump(mode="json"),
            "train": self.recipe.train.model_dump(mode="json", exclude=UNRELATED),
            "share": share,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]
