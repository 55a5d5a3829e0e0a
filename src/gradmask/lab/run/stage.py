"""A stretch of an arm's training with one optimizer and one schedule: its checkpoints, its log, what happens beside its steps."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.data import Prepared, TextStream, fingerprint_of, prepare
from gradmask.lab import progress
from gradmask.lab.judge.early import HALF
from gradmask.lab.measures.run import quick_losses
from gradmask.lab.recipe.arms import is_routed
from gradmask.lab.recipe.spec import Recipe, TrainSpec
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
from gradmask.lab.run.failures import Interrupted
from gradmask.lab.run.folder import ArmFolder, RunFolder
from gradmask.lab.run.guards import DataGuard, GroupGuard
from gradmask.lab.run.log import RunLog
from gradmask.lab.run.stopping import Stopper
from gradmask.lab.run.streamed import StreamCallback, closing_stream
from gradmask.lab.run.team import here
from gradmask.lab.run.team.sharding import let_go, sharded, whole_state
from gradmask.lab.run.trainer import make_trainer

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
        progress.status("preparing the data")
        self.folder.check_data(self.recipe, fingerprint_of(self.recipe.data))
        return prepare(self.recipe.data, self.folder.data)

    def stop_if_asked(self, where: str) -> None:
        """Raise `Interrupted` where a signal came. ``where``: after what, for the message."""
        if self.stopper.requested is not None:
            text = f"stopped in {self.folder.path} after {where}; run the same command again to resume"
            raise Interrupted(self.stopper.requested, text)


@dataclass(frozen=True)
class Stage:
    """One stretch of training.

    Args:
        place: where its checkpoints go.
        train: learning rate, schedule and so on.
        steps: optimizer steps.
        title: what messages call it.
        before: steps of the arm before it.
    """

    place: Path
    train: TrainSpec
    steps: int
    title: str
    before: int = 0

    def newest(self) -> LastCheckpoint:
        """Its newest whole checkpoint; later ones, which the run makes anew, are deleted."""
        found = here().on_first(self._newest)
        return LastCheckpoint(Path(found) if found else None)

    def _newest(self) -> str:
        last = newest(self.place)
        for message in last.torn:
            logger.warning(message)
        sweep(self.place, after=last.step)
        return str(last.path or "")


def run_stage(
    training: Training,
    prepared: Prepared,
    arm: ArmFolder,
    stage: Stage,
    model: PreTrainedModel,
    dataset: Any,
    last: LastCheckpoint,
    learning: Collection[nn.Parameter] | None = None,
) -> None:
    """Train ``model`` to the end of a stage, from its newest checkpoint.

    Args:
        training: the run.
        prepared: its data.
        arm: the arm's folder.
        stage: what is left to do.
        model: as the newest checkpoint holds it, or as the stage begins.
        dataset: the stage's examples in their order.
        last: the newest checkpoint.
        learning: the parameters that the optimizer gets; by default all.

    Raises:
        GradmaskError: no room on the disk, a loss that is not finite.
        Interrupted: a signal came; a checkpoint was saved.
    """
    require_room(arm.path, bytes_needed(sum(p.numel() for p in model.parameters())))
    callbacks = _callbacks(training, prepared, arm, stage, last.step)
    if isinstance(dataset, TextStream):
        callbacks.insert(0, StreamCallback(dataset, stage.place))  # before the checkpoint is sealed
        if last.path:
            dataset.load(last.path)
    trainer = make_trainer(model, stage.train, stage.steps, dataset, stage.place, callbacks, learning, last.path)
    if last.path:
        logger.info("%s resumes at step %d of %d", stage.title, last.step, stage.steps)
    with (
        progress.track(stage.title, stage.steps, last.step, stage.before),
        clean_failure(stage.place),
        training.stopper.after_step(),
        closing_stream(dataset),
    ):
        trainer.train(resume_from_checkpoint=str(last.path) if last.path else None)
    if (done := trainer.state.global_step) < stage.steps:
        training.stop_if_asked(f"step {done} of {stage.steps} of {stage.title}")


def _judged(stage: Stage) -> tuple[float, bool]:
    """From which share of the steps on a run is judged, and whether a consolidation follows; it is judged by its end alone."""
    return (1.0, False) if stage.before else (HALF, stage.train.consolidation is not None)


def save_whole(model: PreTrainedModel, folder: Path, prepared: Prepared) -> None:
    """Save a model and the tokenizer; the folder appears in its place in one step. The first process writes, the others wait."""
    state = whole_state(model) if sharded(model) else None
    if here().first:
        save_alone(model, folder, prepared, state)
    here().wait()


def save_alone(model: PreTrainedModel, folder: Path, prepared: Prepared, state: dict[str, Any] | None = None) -> None:
    """As `save_whole`, in one process, whichever that is: for what the processes divide among them."""
    require_room(folder.parent, 4 * sum(p.numel() for p in model.parameters()) + 2**20, "the trained model")
    temporary = folder.parent / f".{folder.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    with _saving_here(model):
        model.save_pretrained(temporary, state_dict=state)
    prepared.tokenizer.save_pretrained(temporary)
    gm.seal(temporary, prepared.fingerprint)
    os.replace(temporary, folder)


@contextmanager
def _saving_here(model: PreTrainedModel) -> Iterator[None]:
    """Within: the model is saved by this process, which Transformers leaves to the first of several."""
    model.__dict__["should_save_on_this_rank"] = lambda is_main_process=True: True
    try:
        yield
    finally:
        del model.__dict__["should_save_on_this_rank"]


def _callbacks(training: Training, prepared: Prepared, arm: ArmFolder, stage: Stage, done: int) -> list[Any]:
    settings, evaluate = stage.train, training.recipe.evaluate
    log = RunLog(arm.log, writes=here().first)
    tokens_per_step = settings.batch_size * training.recipe.data.sequence_length
    writer = LogCallback(log, tokens_per_step, log.rewind(stage.before + done), stage.before)
    points = curve_points(settings, stage.before or stage.steps)
    data = DataGuard(prepared.files())

    def measure(model: PreTrainedModel) -> dict[str, Any]:
        data.check()
        losses = quick_losses(model, test=prepared.test, sequences=evaluate.during, batch_size=evaluate.batch_size)
        let_go(model)
        return losses

    return [
        *([GroupGuard()] if is_routed(arm.path.name) else []),
        GuardCallback(stage.place),
        writer,
        CurveCallback(measure, points, writer, prepared.roles, stage.title, *_judged(stage)),
        CheckpointCallback(stage.place, settings.checkpoint_every or points, settings.keep, training.stopper),
        data,  # last: CheckpointCallback overwrites should_save, and seals a checkpoint before this one raises
    ]
