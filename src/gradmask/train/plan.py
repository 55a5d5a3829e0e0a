"""The plan: what a run would do and take, found by checking everything and trying a few steps."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import PreTrainedModel, TrainerCallback

from gradmask.data import Prepared
from gradmask.evaluate.run import quick_losses
from gradmask.train.build import cut_model, new_model
from gradmask.train.callbacks import curve_points, size
from gradmask.train.checkpoints import bytes_needed
from gradmask.train.evidence import parameters_of
from gradmask.train.folder import RunFolder
from gradmask.train.recipe import Recipe
from gradmask.train.run import Run, total_steps, training_examples
from gradmask.train.trainer import make_trainer

TRIAL_STEPS = 3


@dataclass(frozen=True)
class Plan:
    """What a run would do and take. Tokens count every pass over the data; times are in seconds, sizes in bytes."""

    name: str
    output: str
    steps: int
    tokens_per_step: int
    parameters: dict[str, int]
    tokens: dict[str, dict[str, int]]
    seconds: dict[str, float]
    disk_needed: int
    disk_free: int
    remarks: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def make_plan(recipe: Recipe) -> Plan:
    """Check everything that a run needs, try a few steps, and say what the whole would take.

    The data is prepared in the run's folder, where the run finds it; nothing else remains.

    Raises:
        GradmaskError: bad data, a model that cannot be cut, not enough room on the disk.
    """
    folder = RunFolder.of(recipe)
    with folder.held():
        prepared = Run(recipe, folder).prepared()
    steps = total_steps(recipe, prepared)
    examples: dict[str, Any] = {name: training_examples(recipe, prepared, name, steps) for name in recipe.arms}
    parameters, seconds = _try_arms(recipe, prepared, examples, steps)
    count = sum(parameters.values())
    needed = _disk(recipe, count)
    free = shutil.disk_usage(folder.path).free
    remarks = []
    if needed > free:
        remarks.append(
            f"{size(needed)} are needed on the disk of {folder.path}, {size(free)} are free: free some space"
        )
    return Plan(
        name=recipe.name,
        output=recipe.output,
        steps=steps,
        tokens_per_step=recipe.train.batch_size * recipe.data.sequence_length,
        parameters=parameters,
        tokens={name: tokens_by_label(dataset, recipe) for name, dataset in examples.items()},
        seconds=seconds,
        disk_needed=needed,
        disk_free=free,
        remarks=remarks,
    )


def _try_arms(
    recipe: Recipe, prepared: Prepared, examples: dict[str, Any], steps: int
) -> tuple[dict[str, int], dict[str, float]]:
    """Parameters per group of the partitioned (or else the plain) model, and seconds per arm."""
    parameters: dict[str, int] = {}
    tried: dict[bool, float] = {}
    seconds = {}
    for name in sorted(recipe.arms, key=lambda name: name != "gradmask"):
        cut = name == "gradmask"
        if cut not in tried:
            model = new_model(recipe, prepared.tokenizer)
            model = cut_model(model, recipe.partition) if cut else model
            parameters = parameters or parameters_of(model)
            tried[cut] = _seconds(model, recipe, prepared, examples[name], steps)
        seconds[name] = tried[cut]
    return parameters, {name: seconds[name] for name in recipe.arms}


def _seconds(model: PreTrainedModel, recipe: Recipe, prepared: Prepared, dataset: Any, steps: int) -> float:
    """What a whole arm would take, from a few steps and one point of the curve."""
    clock = _Clock()
    with TemporaryDirectory(prefix="gradmask-plan-") as folder:
        make_trainer(model, recipe.train, min(steps, TRIAL_STEPS), dataset, Path(folder), [clock]).train()
    started = time.perf_counter()
    quick_losses(model, prepared.test, recipe.evaluate.during, recipe.evaluate.batch_size)
    point = time.perf_counter() - started
    return steps * clock.per_step + math.ceil(steps / curve_points(recipe.train, steps)) * point


class _Clock(TrainerCallback):
    """The time of a step, the first one (which warms up) not counted where there are more."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self.ends.append(time.perf_counter())

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.ends.append(time.perf_counter())

    @property
    def per_step(self) -> float:
        counted = self.ends[1:] if len(self.ends) > 2 else self.ends
        return (counted[-1] - counted[0]) / (len(counted) - 1)


def tokens_by_label(dataset: Dataset, recipe: Recipe) -> dict[str, int]:
    """Data label -> tokens of the training examples that carry it."""
    names = {-1: "unlabeled", 0: "retain", **{i + 1: group for i, group in enumerate(recipe.partition.groups)}}
    ids, counts = np.unique(np.asarray(dataset["data_labels"][:]), return_counts=True)
    return {names[int(i)]: int(n) * recipe.data.sequence_length for i, n in zip(ids, counts, strict=True)}


def _disk(recipe: Recipe, parameters: int) -> int:
    """Every arm's checkpoints and final model, and one checkpoint more while an old one is not deleted yet."""
    one = bytes_needed(parameters)
    return len(recipe.arms) * (recipe.train.keep * one + 4 * parameters) + one
