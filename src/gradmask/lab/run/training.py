"""Training one arm of a recipe, from where it was left."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.data import Prepared, fingerprint_of, prepare
from gradmask.errors import GradmaskError
from gradmask.lab import progress
from gradmask.lab.measures.run import quick_losses
from gradmask.lab.recipe.arms import NO_FILTER, PERFECT_FILTER, is_routed, partition_of
from gradmask.lab.recipe.build import cut_model, new_model
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.callbacks import (
    CheckpointCallback,
    CurveCallback,
    GuardCallback,
    LogCallback,
    curve_points,
    require_room,
)
from gradmask.lab.run.checkpoints import LastCheckpoint, bytes_needed, newest, sweep
from gradmask.lab.run.cleanup import clean_failure
from gradmask.lab.run.examples import total_steps, training_examples
from gradmask.lab.run.failures import Interrupted
from gradmask.lab.run.folder import ArmFolder, RunFolder, write_json
from gradmask.lab.run.guards import DataGuard, GroupGuard, check_labels
from gradmask.lab.run.log import RunLog
from gradmask.lab.run.stopping import Stopper
from gradmask.lab.run.trained import trained_model
from gradmask.lab.run.trainer import make_trainer
from gradmask.lab.run.unlearning import unlearn

logger = logging.getLogger(__name__)


@dataclass
class Training:
    """What the arms of a run share while they are trained. ``stopper``: whether a signal asked to stop."""

    recipe: Recipe
    folder: RunFolder
    stopper: Stopper = field(default_factory=Stopper)

    @cached_property
    def prepared(self) -> Prepared:
        """The run's data, from its folder where it was prepared before.

        Raises:
            GradmaskError: bad data; see `gradmask.data.prepare`. Or it changed since the run began.
        """
        self.folder.check_data(self.recipe, fingerprint_of(self.recipe.data))
        return prepare(self.recipe.data, self.folder.data)


def train_arm(training: Training, prepared: Prepared, name: str, title: str = "") -> None:
    """Train one arm to its end, from its newest whole checkpoint. ``title``: what messages call it, where not by its name.

    Raises:
        GradmaskError: no room on the disk, labels that miss a group, a loss that is not finite.
        Interrupted: a signal came; a checkpoint was saved, and another call resumes from it.
    """
    title, arm, settings = title or name, training.folder.arm(name), training.recipe.train
    arm.path.mkdir(parents=True, exist_ok=True)
    last = newest(arm.path)
    for message in last.torn:
        logger.warning(message)
    sweep(arm.path, after=last.step)
    steps = total_steps(training.recipe, prepared)
    model = starting_model(training.recipe, prepared, name, last)
    require_room(arm.path, bytes_needed(sum(p.numel() for p in model.parameters())))
    dataset = training_examples(training.recipe, prepared, name, steps)
    if is_routed(name):
        check_labels(np.asarray(prepared.train["data_labels"][:]), prepared.groups)
    callbacks = _callbacks(training, prepared, arm, steps, last.step, title)
    trainer = make_trainer(model, settings, steps, dataset, arm.path, callbacks)
    if last.path:
        logger.info("%s resumes at step %d of %d", title, last.step, steps)
    with progress.track(title, steps, last.step), clean_failure(arm.path), training.stopper.after_step():
        trainer.train(resume_from_checkpoint=str(last.path) if last.path else None)
        if trainer.state.global_step >= steps:
            save_final(model, prepared.tokenizer, arm, prepared.fingerprint)
    if training.stopper.requested is not None:
        raise Interrupted(
            training.stopper.requested,
            f"stopped in {training.folder.path} after step {trainer.state.global_step} of {steps} of {title}; "
            "run the same command again to resume",
        )


def unlearn_arm(training: Training, prepared: Prepared, name: str) -> None:
    """Make the finished no-filter model forget, after training; see `gradmask.lab.run.unlearning`. Not resumed half-way.

    Raises:
        GradmaskError: no filter was not trained, or too little text is labeled.
    """
    folder, arm = training.folder, training.folder.arm(name)
    start, perfect = folder.arm(NO_FILTER), folder.arm(PERFECT_FILTER)
    if not start.finished:
        raise GradmaskError(f"{name} starts from the finished {NO_FILTER} model: add {NO_FILTER} to arms")
    arm.path.mkdir(parents=True, exist_ok=True)
    logger.info("unlearning with %s, from the %s model", name, NO_FILTER)
    with clean_failure(arm.path):
        never_trained = trained_model(perfect) if perfect.finished else None
        unlearned = unlearn(trained_model(start), never_trained, training.recipe, prepared, name)
        write_json(arm.path / "tuning.json", unlearned.trials)
        log = RunLog(arm.log)
        log.rewind(-1)
        log.append({"step": unlearned.steps, "tokens": unlearned.tokens, "seconds": unlearned.seconds})
        save_final(unlearned.model, prepared.tokenizer, arm, prepared.fingerprint)


def starting_model(recipe: Recipe, prepared: Prepared, name: str, last: LastCheckpoint) -> PreTrainedModel:
    """The arm's model: a new one, or that of the checkpoint, with the state of its random streams and self-labels."""
    if last.path is not None:
        return gm.load(last.path) if is_routed(name) else gm.read_plain(last.path)
    model = new_model(recipe, prepared.tokenizer)
    return cut_model(model, partition_of(recipe, name), recipe.train.seed) if is_routed(name) else model


def save_final(model: PreTrainedModel, tokenizer: Any, arm: ArmFolder, data: str) -> None:
    """Save the trained model and its tokenizer; the folder appears in its place in one step. ``data``: its fingerprint."""
    require_room(arm.path, 4 * sum(p.numel() for p in model.parameters()) + 2**20, "the trained model")
    temporary = arm.path / ".model.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    gm.seal(temporary, data)
    os.replace(temporary, arm.model)


def _callbacks(training: Training, prepared: Prepared, arm: ArmFolder, steps: int, done: int, title: str) -> list[Any]:
    settings, evaluate = training.recipe.train, training.recipe.evaluate
    log = RunLog(arm.log)
    tokens_per_step = settings.batch_size * training.recipe.data.sequence_length
    writer = LogCallback(log, tokens_per_step, seconds=log.rewind(done))
    points = curve_points(settings, steps)
    data = DataGuard(prepared.files())

    def measure(model: PreTrainedModel) -> dict[str, Any]:
        data.check()
        return quick_losses(model, test=prepared.test, sequences=evaluate.during, batch_size=evaluate.batch_size)

    return [
        *([GroupGuard()] if is_routed(arm.path.name) else []),
        GuardCallback(arm.path),
        writer,
        CurveCallback(measure, points, writer, prepared.roles, title),
        CheckpointCallback(arm.path, settings.checkpoint_every or points, settings.keep, training.stopper),
        data,  # last: CheckpointCallback overwrites should_save, and seals a checkpoint before this one raises
    ]
