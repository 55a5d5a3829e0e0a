"""Training one arm of a recipe, from where it was left."""

from __future__ import annotations

import logging

import numpy as np
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.data import Prepared
from gradmask.errors import GradmaskError
from gradmask.lab.recipe.arms import NO_FILTER, PERFECT_FILTER, is_routed, partition_of
from gradmask.lab.recipe.build import cut_model, new_model
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.checkpoints import LastCheckpoint
from gradmask.lab.run.cleanup import clean_failure
from gradmask.lab.run.consolidating import begin, consolidate, consolidation_of, finish
from gradmask.lab.run.examples import arm_steps, consolidation_steps, total_steps, training_examples
from gradmask.lab.run.folder import write_json
from gradmask.lab.run.guards import check_labels
from gradmask.lab.run.log import RunLog
from gradmask.lab.run.modular import begin_modular
from gradmask.lab.run.stage import Stage, Training, run_stage, save_alone, save_whole
from gradmask.lab.run.team import here
from gradmask.lab.run.team.placing import placed, whole_checkpoint
from gradmask.lab.run.trained import trained_model
from gradmask.lab.run.unlearning import unlearn

logger = logging.getLogger(__name__)


def train_arm(training: Training, prepared: Prepared, name: str, title: str = "") -> None:
    """Train one arm to its end, from its newest whole checkpoint. ``title``: what messages call it, where not by its name.

    Raises:
        GradmaskError: no room on the disk, labels that miss a group, a loss that is not finite.
        Interrupted: a signal came; a checkpoint was saved, and another call resumes from it.
    """
    recipe, arm = training.recipe, training.folder.arm(name)
    arm.path.mkdir(parents=True, exist_ok=True)
    steps = arm_steps(recipe, prepared, name)
    more = consolidation_steps(recipe, name, total_steps(recipe, prepared))
    begun = here().on_first(lambda: bool(more) and arm.consolidation.finished)
    model = None if begun else _train(training, prepared, name, steps, title or name)
    if more:
        phase = consolidation_of(arm, recipe, steps, more, title or name)
        if model is not None:
            begin(training, phase, model, prepared, name)
        model = consolidate(training, prepared, name, phase)
    assert model is not None
    with clean_failure(arm.path), training.stopper.after_step():
        save_whole(model, arm.model, prepared)
        finish(arm)
    training.stop_if_asked(f"the end of {title or name}")


def _train(training: Training, prepared: Prepared, name: str, steps: int, title: str) -> PreTrainedModel:
    """The arm's model after so many steps."""
    recipe, arm = training.recipe, training.folder.arm(name)
    stage = Stage(arm.path, recipe.train, steps, title)
    last = stage.newest()
    model = placed(lambda: _beginning(recipe, prepared, name, steps, last), recipe.train)
    dataset = training_examples(recipe, prepared, name, steps)
    if is_routed(name):
        check_labels(np.asarray(prepared.train["data_labels"][:]), prepared.groups)
    run_stage(training, prepared, arm, stage, model, dataset, last)
    return model


def _beginning(recipe: Recipe, prepared: Prepared, name: str, steps: int, last: LastCheckpoint) -> PreTrainedModel:
    model = starting_model(recipe, prepared, name, last)
    if is_routed(name):
        begin_modular(model, recipe, prepared, name, steps)
    return model


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
    with clean_failure(arm.path, alone=True):
        never_trained = trained_model(perfect) if perfect.finished else None
        unlearned = unlearn(trained_model(start), never_trained, training.recipe, prepared, name)
        write_json(arm.path / "tuning.json", unlearned.trials)
        log = RunLog(arm.log)
        log.rewind(-1)
        log.append({"step": unlearned.steps, "tokens": unlearned.tokens, "seconds": unlearned.seconds})
        # other arms are unlearned by other processes at the same time, none of which waits for this one
        save_alone(unlearned.model, arm.model, prepared)


def starting_model(recipe: Recipe, prepared: Prepared, name: str, last: LastCheckpoint) -> PreTrainedModel:
    """The arm's model: a new one, or that of the checkpoint, with the state of its random streams and self-labels."""
    if (path := whole_checkpoint(last.path)) is not None:
        return gm.load(path) if is_routed(name) else gm.read_plain(path)
    model = new_model(recipe, prepared.tokenizer)
    if not is_routed(name):
        return model
    labels = np.asarray(prepared.train["data_labels"][:])
    sizes = {group: int((labels == i).sum()) for i, group in enumerate(prepared.groups, 1)}
    return cut_model(model, partition_of(recipe, name), recipe.train.seed, sizes)
