"""The last phase of an arm: everything runs, its removable groups alone learn, and the removed model keeps every bit.

The phase has an optimizer, a schedule and an order of its own. It begins with a model that is saved whole, so that it resumes
without the steps before it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import Any

import torch
from transformers import PreTrainedModel

import gradmask as gm
from gradmask.data import Prepared
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.cleanup import clean_failure
from gradmask.lab.run.examples import consolidation_examples
from gradmask.lab.run.failures import RunError
from gradmask.lab.run.folder import ArmFolder, write_json
from gradmask.lab.run.stage import Stage, Training, run_stage, save_whole
from gradmask.lab.run.strengths import Strengths, fit_strengths
from gradmask.lab.run.teaching import taught_tokens
from gradmask.lab.run.team import here
from gradmask.lab.run.team.placing import placed, whole_checkpoint
from gradmask.lab.run.team.sharding import whole

KEPT = "kept.json"
"""Holds the digest of what the phase must not change, and the strengths with which its groups began."""


def consolidation_of(arm: ArmFolder, recipe: Recipe, before: int, steps: int, title: str) -> Stage:
    """The phase of an arm that has so many steps before it."""
    train, phase = recipe.train, recipe.train.consolidation
    assert phase is not None
    settings = {"learning_rate": train.learning_rate * phase.learning_rate, "schedule": phase.schedule}
    train = train.model_copy(update={**settings, "warmup": phase.warmup})
    return Stage(arm.consolidation.path, train, steps, f"{title}, consolidation", before)


def begin(training: Training, stage: Stage, model: PreTrainedModel, prepared: Prepared, name: str) -> None:
    """Keep the model that the phase begins with, its groups as strong as fits, and the digest of what must not change."""
    recipe, phase, found = training.recipe, ArmFolder(stage.place), Strengths()
    assert recipe.train.consolidation is not None
    phase.path.mkdir(exist_ok=True)
    here().wait()
    with clean_failure(phase.path), training.stopper.after_step():
        kept = digest(model)
        if recipe.train.consolidation.fit_strength:
            found = fit_strengths(recipe, prepared, name, stage.steps, model)
        if here().first:
            taught = taught_tokens(recipe, prepared, name, stage.steps)
            write_json(
                phase.path / KEPT,
                {"sha256": kept, "strengths": found.of, "tokens": found.tokens, "taught_tokens": taught},
            )
        save_whole(model, phase.model, prepared)


def consolidate(training: Training, prepared: Prepared, name: str, stage: Stage) -> PreTrainedModel:
    """The arm's model after its phase.

    Raises:
        GradmaskError: see `run_stage`; or the phase changed the removed model.
        Interrupted: a signal came; a checkpoint was saved.
    """
    recipe, arm, phase = training.recipe, training.folder.arm(name), ArmFolder(stage.place)
    last = stage.newest()
    model = placed(lambda: gm.load(whole_checkpoint(last.path) or phase.model), recipe.train)
    dataset = consolidation_examples(recipe, prepared, name, stage.steps)
    settings = recipe.train.consolidation
    assert settings is not None
    with gm.consolidation(model, settings.together, settings.distillation) as learning:
        run_stage(training, prepared, arm, stage, model, dataset, last, learning)
    if digest(model) != _kept(arm)["sha256"]:
        raise RunError(
            f"{stage.title} changed what is not removable, which it must never do: the model in {phase.model} is still as it was "
            "before. Report this, with the recipe and the versions of gradmask, torch and transformers"
        )
    return model


def strengths_of(arm: ArmFolder) -> Strengths:
    """With what strengths the groups of a finished arm began its phase; none where it had no phase."""
    kept = _kept(arm)
    return Strengths(kept.get("strengths", {}), kept.get("tokens", 0))


def taught_tokens_of(arm: ArmFolder) -> int:
    """`taught_tokens` of a finished arm."""
    return _kept(arm).get("taught_tokens", 0)


def _kept(arm: ArmFolder) -> dict[str, Any]:
    """What its phase kept at its beginning; empty where it had none."""
    path = arm.consolidation.path / KEPT
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def finish(arm: ArmFolder) -> None:
    """Delete the model that the phase began with, now that the arm's final model is in its place."""
    if here().first:
        shutil.rmtree(arm.consolidation.model, ignore_errors=True)


@torch.no_grad()
def digest(model: PreTrainedModel) -> str:
    """The SHA-256 of the retain and joint parameters: of the removed model."""
    owned, digest = gm.groups(model), hashlib.sha256()
    for name, parameter in sorted({**owned["retain"], **owned["joint"]}.items()):
        digest.update(name.encode())
        digest.update(whole(parameter.detach()).cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
