"""The plan: what a run would do and take, found by checking everything and trying a few steps."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import PreTrainedModel, TrainerCallback

from gradmask.data import Inspection, Prepared, TextStream, select_rows
from gradmask.errors import GradmaskError
from gradmask.lab.measures.run import quick_losses
from gradmask.lab.progress import status
from gradmask.lab.recipe.arms import ARMS, NO_FILTER, is_routed, partition_of
from gradmask.lab.recipe.build import cut_model, new_model
from gradmask.lab.recipe.settings.rules import Choice
from gradmask.lab.recipe.spec import PartitionSpec, Recipe, TrainSpec
from gradmask.lab.run.callbacks import curve_points
from gradmask.lab.run.checkpoints import bytes_needed, newest
from gradmask.lab.run.examples import (
    arm_steps,
    consolidation_steps,
    labeled_first,
    total_steps,
    training_examples,
)
from gradmask.lab.run.folder import ArmFolder, RunFolder
from gradmask.lab.run.inspecting import inspected
from gradmask.lab.run.knowledge import about_labels
from gradmask.lab.run.settling import Settled, settle
from gradmask.lab.run.streamed import closing_stream, sample_shares
from gradmask.lab.run.trained import parameters_of
from gradmask.lab.run.trainer import make_trainer
from gradmask.lab.run.training import Training
from gradmask.lab.unlearning.registry import grid
from gradmask.quiet import quiet

TRIAL_STEPS = 6
PLAIN = "plain"


@dataclass(frozen=True)
class Plan:
    """What a run would do and take. Tokens count every pass over the data; times are in seconds, sizes in bytes."""

    name: str
    output: str
    steps: int
    done: dict[str, int]
    """Arm -> steps that an earlier call has behind it; ``seconds`` and ``disk_needed`` are of what is left."""
    tokens_per_step: int
    parameters: dict[str, int]
    tokens: dict[str, dict[str, int]]
    seconds: dict[str, float]
    disk_needed: int
    disk_free: int
    inspection: Inspection
    """What the documents are, and what is wrong with them; without errors."""
    notices: list[str] = field(default_factory=list)
    """What is to be said of the labels and of the truth, in sentences."""
    consolidation: dict[str, int] = field(default_factory=dict)
    """Arm -> further steps in which its removable groups alone learn."""
    other_steps: dict[str, int] = field(default_factory=dict)
    """Arm -> its steps, where its budget is counted otherwise than in tokens."""
    settings: list[Choice] = field(default_factory=list)
    """What was chosen from the data, with the reasons."""
    warnings: list[str] = field(default_factory=list)
    """What is outside of what the choice was tested on, in sentences."""

    @property
    def fits(self) -> bool:
        """Whether there is room on the disk."""
        return self.disk_needed <= self.disk_free

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "fits": self.fits}


@dataclass(frozen=True)
class Trial:
    """What a few steps of a model took, in seconds."""

    step: float
    point: float

    def seconds(self, train: TrainSpec, steps: int, left: int) -> float:
        """For what is left of an arm of so many steps, points of the curve included; consolidation takes no longer than others."""
        return left * self.step + math.ceil(left / curve_points(train, steps)) * self.point


@quiet()
def make_plan(recipe: Recipe, restart: bool = False) -> Plan:
    """Check everything that a run needs, try a few steps, and say what the whole would take.

    The data is prepared in the run's folder, where the run finds it; nothing else remains.

    Args:
        recipe: a checked recipe.
        restart: plan to start over where the folder holds a run already.

    Raises:
        GradmaskError: bad data, data with which a run is pointless, a model that cannot be cut, another recipe's run in the folder.
    """
    folder = RunFolder.of(recipe)
    with folder.locked(), TemporaryDirectory(prefix="gradmask-plan-") as temporary:
        if restart and folder.started:
            folder = RunFolder(Path(temporary))
        inspection = inspected(Training(recipe, folder))
        settled = settle(recipe, folder)
        folder.check(settled.recipe)
        return _plan(settled, folder, inspection)


def _plan(settled: Settled, folder: RunFolder, inspection: Inspection) -> Plan:
    """Of a recipe with every value, and data without errors."""
    recipe, prepared = settled.recipe, Training(settled.recipe, folder).prepared
    steps = total_steps(recipe, prepared)
    arms = _Steps.of(recipe, prepared, folder)
    examples: dict[str, Any] = {name: training_examples(recipe, prepared, name, own) for name, own in arms.own.items()}
    parameters, trials = _try_arms(recipe, prepared, examples, steps)
    return Plan(
        name=recipe.name,
        output=recipe.output,
        steps=steps,
        done=arms.done,
        tokens_per_step=recipe.train.batch_size * recipe.data.sequence_length,
        parameters=parameters,
        tokens={
            name: _tokens(dataset, recipe, prepared, name) | _more(recipe, arms.phases, name)
            for name, dataset in examples.items()
        },
        seconds=_training(recipe, arms, trials) | _unlearning(recipe, folder, trials),
        disk_needed=_disk(recipe, sum(parameters.values()), arms.unfinished, arms.phases),
        disk_free=shutil.disk_usage(recipe.output).free,
        inspection=inspection,
        notices=about_labels(recipe, prepared),
        consolidation=arms.phases,
        other_steps={name: count for name, count in arms.own.items() if count != steps},
        settings=list(settled.choices),
        warnings=list(settled.warnings),
    )


@dataclass(frozen=True)
class _Steps:
    """Of each arm that is trained: by its labels, in its consolidation where it has one, and those that lie behind it."""

    own: dict[str, int]
    phases: dict[str, int]
    done: dict[str, int]

    @classmethod
    def of(cls, recipe: Recipe, prepared: Prepared, folder: RunFolder) -> _Steps:
        own = {name: arm_steps(recipe, prepared, name) for name in recipe.arms if not ARMS[name].unlearns}
        steps = total_steps(recipe, prepared)
        phases = {name: more for name in own if (more := consolidation_steps(recipe, name, steps))}
        done = {name: _steps_done(folder.arm(name), own[name], own[name] + phases.get(name, 0)) for name in own}
        return cls(own, phases, done)

    def left(self, name: str) -> int:
        """What is still to be done."""
        return self.own[name] + self.phases.get(name, 0) - self.done[name]

    @property
    def unfinished(self) -> int:
        """How many arms are."""
        return sum(self.left(name) > 0 for name in self.own)


def _training(recipe: Recipe, arms: _Steps, trials: dict[str, Trial]) -> dict[str, float]:
    """Seconds of the arms that are trained."""
    return {name: trials[name].seconds(recipe.train, own, arms.left(name)) for name, own in arms.own.items()}


def _unlearning(recipe: Recipe, folder: RunFolder, trials: dict[str, Trial]) -> dict[str, float]:
    """Seconds of the arms that start at the end of no filter: their whole grids, in the time of plain steps."""
    left = [name for name in recipe.arms if ARMS[name].unlearns and not folder.arm(name).finished]
    return {name: sum(setting.steps for setting in grid(name)) * trials[NO_FILTER].step for name in left}


def _steps_done(arm: ArmFolder, steps: int, whole: int) -> int:
    if arm.finished:
        return whole
    phase = arm.consolidation
    return steps + newest(phase.path).step if phase.finished else newest(arm.path).step


def _more(recipe: Recipe, phases: dict[str, int], name: str) -> dict[str, int]:
    """The tokens of an arm's consolidation, which need no labels."""
    tokens = phases.get(name, 0) * recipe.train.batch_size * recipe.data.sequence_length
    return {"consolidation": tokens} if tokens else {}


def _try_arms(
    recipe: Recipe, prepared: Prepared, examples: dict[str, Any], steps: int
) -> tuple[dict[str, int], dict[str, Trial]]:
    """Parameters per group of the partitioned (or else the plain) model, and a trial per arm."""
    parameters: dict[str, int] = {}
    tried: dict[str, Trial] = {}
    for name in sorted(examples, key=lambda name: not is_routed(name)):
        kind = name if is_routed(name) else PLAIN
        if kind not in tried:
            status(f"trying a few steps of {name}")
            model = new_model(recipe, prepared.tokenizer)
            model = cut_model(model, _from_the_start(partition_of(recipe, name))) if is_routed(name) else model
            parameters = parameters or parameters_of(model)
            tried[kind] = _try(model, recipe, prepared, _usual(recipe, name, examples[name]), steps)
    return parameters, {name: tried[name if is_routed(name) else PLAIN] for name in examples}


def _usual(recipe: Recipe, name: str, dataset: Any) -> Any:
    """Examples of the trial steps: from after those in which unlabeled ones wait, where the run is so long."""
    if isinstance(dataset, TextStream):
        return dataset
    size = recipe.train.batch_size
    first = min(labeled_first(recipe, name) * size, max(0, len(dataset) - TRIAL_STEPS * size))
    return select_rows(dataset, np.arange(first, len(dataset)))


def _from_the_start(partition: PartitionSpec) -> PartitionSpec:
    """With self-labeling, where it is on, at work from the first step, so that its cost is counted."""
    if partition.self_labeling is None:
        return partition
    return partition.model_copy(update={"self_labeling": partition.self_labeling.model_copy(update={"after": 0})})


def _try(model: PreTrainedModel, recipe: Recipe, prepared: Prepared, dataset: Any, steps: int) -> Trial:
    clock = _Clock()
    settings = recipe.train.model_copy(update={"report_to": []})
    with TemporaryDirectory(prefix="gradmask-plan-") as folder, _trying(), closing_stream(dataset):
        make_trainer(model, settings, min(steps, TRIAL_STEPS), dataset, Path(folder), [clock]).train()
    started = time.perf_counter()
    quick_losses(model, prepared.test, recipe.evaluate.during, recipe.evaluate.batch_size)
    return Trial(clock.per_step, time.perf_counter() - started)


@contextmanager
def _trying() -> Iterator[None]:
    """What PyTorch says of a step that cannot be made is about the recipe's sizes and numbers."""
    try:
        yield
    except RuntimeError as error:
        raise GradmaskError(
            f"a trial step failed: {str(error).splitlines()[0]}. Check model.config and train"
        ) from error


class _Clock(TrainerCallback):
    """The median time of a step, the first one (which warms up) not counted where there are more."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self.ends.append(time.perf_counter())

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.ends.append(time.perf_counter())

    @property
    def per_step(self) -> float:
        counted = self.ends[1:] if len(self.ends) > 2 else self.ends
        return median(after - before for before, after in pairwise(counted))


def _tokens(dataset: Any, recipe: Recipe, prepared: Prepared, name: str) -> dict[str, int]:
    """Data label -> training tokens; of a stream, by the shares that the labels have in its sample."""
    if not isinstance(dataset, TextStream):
        return tokens_by_label(dataset, recipe)
    every = len(dataset) * recipe.data.sequence_length
    return {label_names(recipe)[i]: round(share * every) for i, share in sample_shares(prepared, name).items()}


def label_names(recipe: Recipe) -> dict[int, str]:
    """What plans call the data labels."""
    return {-1: "unlabeled", 0: "retain", **{i + 1: group for i, group in enumerate(recipe.partition.groups)}}


def tokens_by_label(dataset: Dataset, recipe: Recipe) -> dict[str, int]:
    """Data label -> tokens of the training examples that carry it."""
    names = label_names(recipe)
    labels = np.asarray(dataset["data_labels"][:])
    each = recipe.data.sequence_length if labels.ndim == 1 else 1
    ids, counts = np.unique(labels, return_counts=True)
    return {names[int(i)]: int(n) * each for i, n in zip(ids, counts, strict=True)}


def _disk(recipe: Recipe, parameters: int, arms: int, phases: dict[str, int]) -> int:
    """The checkpoints and final models of so many arms and phases, and one checkpoint more while an old one is not deleted."""
    one = bytes_needed(parameters)
    return (arms + min(arms, len(phases))) * (recipe.train.keep * one + 4 * parameters) + one
