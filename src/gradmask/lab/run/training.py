"""Training the arms of a recipe, one after the other, each from where it was left."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.data import Prepared, fingerprint_of, prepare
from gradmask.errors import GradmaskError
from gradmask.lab.measures.run import quick_losses
from gradmask.lab.recipe.arms import ARMS, NO_FILTER, PERFECT_FILTER, is_routed, partition_of
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
from gradmask.lab.run.checkpoints import Found, bytes_needed, newest, sweep, sweep_unsealed
from gradmask.lab.run.display import Display
from gradmask.lab.run.examples import total_steps, training_examples
from gradmask.lab.run.failures import Interrupted, RunError
from gradmask.lab.run.folder import ArmFolder, RunFolder, write_json
from gradmask.lab.run.guards import DataGuard, GroupGuard, check_labels
from gradmask.lab.run.log import RunLog
from gradmask.lab.run.stopping import Stopper
from gradmask.lab.run.trained import trained_model
from gradmask.lab.run.trainer import make_trainer
from gradmask.lab.run.unlearning import unlearn
from gradmask.quiet import quiet


@dataclass
class Run:
    """One call of `train`: what its parts share."""

    recipe: Recipe
    folder: RunFolder
    display: Display = field(default_factory=Display)
    stopper: Stopper = field(default_factory=Stopper)

    def prepared(self) -> Prepared:
        """The run's data, from its folder where it was prepared before.

        Raises:
            GradmaskError: bad data; see `gradmask.data.prepare`. Or it changed since the run began.
        """
        self.folder.check_data(self.recipe, fingerprint_of(self.recipe.data))
        return prepare(self.recipe.data, self.folder.data)


@quiet()
def train(recipe: Recipe, restart: bool = False, display: Display | None = None, stopper: Stopper | None = None) -> Run:
    """Train every arm of a recipe that is not finished yet. Finished arms are left as they are.

    Args:
        recipe: a checked recipe; ``recipe.output`` is the run's folder.
        restart: start over where the folder holds a run already.
        display: shows progress; by default nothing is shown.
        stopper: what signals do (`Stopper.installed`); by default they are not looked at.

    Raises:
        GradmaskError: bad data, another recipe in this folder, no room on the disk, a loss that is no number.
        Interrupted: a signal came; a checkpoint was saved, and the same call goes on from there.
    """
    run = Run(recipe, RunFolder.of(recipe), display or Display(), stopper or Stopper())
    require_one_process()
    with run.folder.held():
        run.folder.adopt(recipe, restart)
        prepared = run.prepared()
        for name in sorted(recipe.arms, key=lambda name: ARMS[name].unlearns):
            if run.folder.arm(name).finished:
                run.display.message(f"{name} is trained already")
            elif ARMS[name].unlearns:
                unlearn_arm(run, prepared, name)
            else:
                train_arm(run, prepared, name)
    return run


def require_one_process() -> None:
    """Refuse the processes of a launcher, which would all do the same.

    Raises:
        GradmaskError: there is more than one.
    """
    started = os.environ.get("WORLD_SIZE", "1")
    if started != "1":
        raise GradmaskError(
            f"gradmask train runs in one process, but {started} were started: start it without torchrun or accelerate "
            "launch. To train on several devices, give a partitioned model to your own script"
        )


def train_arm(run: Run, prepared: Prepared, name: str) -> None:
    """Train one arm to its end, from its newest whole checkpoint; see `train` for what is raised."""
    arm, settings = run.folder.arm(name), run.recipe.train
    arm.path.mkdir(parents=True, exist_ok=True)
    found = newest(arm.path)
    for message in found.torn:
        run.display.message(message)
    sweep(arm.path, after=found.step)
    steps = total_steps(run.recipe, prepared)
    model = starting_model(run.recipe, prepared, name, found)
    require_room(arm.path, bytes_needed(sum(p.numel() for p in model.parameters())))
    dataset = training_examples(run.recipe, prepared, name, steps)
    if is_routed(name):
        check_labels(np.asarray(prepared.train["data_labels"][:]), prepared.groups, run.display.message)
    trainer = make_trainer(model, settings, steps, dataset, arm.path, _callbacks(run, prepared, arm, steps, found.step))
    if found.path:
        run.display.message(f"{name} goes on from step {found.step} of {steps}")
    with run.display.arm(name, steps, found.step), _clean_failure(arm), run.stopper.after_step():
        trainer.train(resume_from_checkpoint=str(found.path) if found.path else None)
        if trainer.state.global_step >= steps:
            save_final(model, prepared.tokenizer, arm, prepared.fingerprint)
    if run.stopper.requested is not None:
        raise Interrupted(run.stopper.requested, _stopped(name, trainer.state.global_step, steps, run.folder))


def unlearn_arm(run: Run, prepared: Prepared, name: str) -> None:
    """Make the finished no-filter model forget, after training; see `gradmask.lab.run.unlearning`. Not resumed half-way.

    Raises:
        GradmaskError: no filter was not trained, or too little text is labeled.
    """
    start, perfect, arm = run.folder.arm(NO_FILTER), run.folder.arm(PERFECT_FILTER), run.folder.arm(name)
    if not start.finished:
        raise GradmaskError(f"{name} starts from the finished {NO_FILTER} model: add {NO_FILTER} to arms")
    arm.path.mkdir(parents=True, exist_ok=True)
    with _clean_failure(arm):
        never_trained = trained_model(perfect) if perfect.finished else None
        unlearned = unlearn(trained_model(start), never_trained, run.recipe, prepared, name)
        write_json(arm.path / "tuning.json", unlearned.trials)
        log = RunLog(arm.log)
        log.rewind(-1)
        log.append({"step": unlearned.steps, "tokens": unlearned.tokens, "seconds": unlearned.seconds})
        save_final(unlearned.model, prepared.tokenizer, arm, prepared.fingerprint)


def starting_model(recipe: Recipe, prepared: Prepared, name: str, found: Found) -> PreTrainedModel:
    """The arm's model: a new one, or that of the checkpoint, with the state of its random streams and self-labels."""
    if found.path is not None:
        return gm.load(found.path) if is_routed(name) else gm.read_plain(found.path)
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


def _callbacks(run: Run, prepared: Prepared, arm: ArmFolder, steps: int, done: int) -> list[Any]:
    settings, evaluate = run.recipe.train, run.recipe.evaluate
    log = RunLog(arm.log)
    tokens_per_step = settings.batch_size * run.recipe.data.sequence_length
    writer = LogCallback(log, run.display, tokens_per_step, seconds=log.rewind(done))
    points = curve_points(settings, steps)
    data = DataGuard(prepared.files())

    def measure(model: PreTrainedModel) -> dict[str, Any]:
        data.check()
        return quick_losses(model, test=prepared.test, sequences=evaluate.during, batch_size=evaluate.batch_size)

    return [
        *([GroupGuard()] if is_routed(arm.path.name) else []),
        GuardCallback(arm.path),
        writer,
        CurveCallback(measure, points, writer, prepared.roles),
        CheckpointCallback(arm.path, settings.checkpoint_every or points, settings.keep, run.stopper),
        data,
    ]


@contextmanager
def _clean_failure(arm: ArmFolder) -> Iterator[None]:
    """Leave nothing half-written behind, and say it plainly where the disk was the cause."""
    try:
        yield
    except BaseException as error:
        sweep_unsealed(arm.path)
        shutil.rmtree(arm.path / ".model.tmp", ignore_errors=True)
        if _disk_full(error):
            raise RunError(
                f"the disk of {arm.path} is full: free some space and start again; the run goes on from there"
            ) from error
        if "DataLoader worker" in str(error):
            raise RunError(
                f"a process that loads data died ({_first_line(error)}): it was killed, or memory ran out. Start again, with "
                f"fewer train.workers where it was memory; {arm.path.name} goes on from its last checkpoint"
            ) from error
        raise


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _disk_full(error: BaseException) -> bool:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or "No space left on device" in str(error)


def _stopped(name: str, step: int, steps: int, folder: RunFolder) -> str:
    return f"stopped in {folder.path} after step {step} of {steps} of {name}; the same command goes on from there"
