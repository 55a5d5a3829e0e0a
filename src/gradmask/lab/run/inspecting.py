"""What a run's data is, and what is wrong with it: found once, kept in the run's folder, told before training starts."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import gradmask as gm
from gradmask.data import Inspection, Prepared, Use, fingerprint_of, inspect
from gradmask.lab.progress import status
from gradmask.lab.recipe.arms import ARMS, is_routed, partition_of
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.folder import write_json
from gradmask.lab.run.training import Training

logger = logging.getLogger(__name__)
TOLD = 5
"""Warnings that are told when training starts; the plan shows all."""


def inspected(training: Training) -> Inspection:
    """What the run's data is. The data is prepared in the run's folder, where it is not; the inspection is kept there.

    Raises:
        GradmaskError: bad data, or data with which training is pointless.
    """
    status("reading the data")
    recipe, file = training.recipe, training.folder.inspection
    fingerprint, use = fingerprint_of(recipe.data), use_of(recipe)
    training.folder.check_data(recipe, fingerprint)
    key = {"gradmask": gm.__version__, "data": fingerprint, "use": asdict(use)}
    try:
        kept: Any = json.loads(file.read_text(encoding="utf-8"))
        inspection = _kept(kept, key)
    except (OSError, ValueError, KeyError, TypeError):
        inspection = None
    if inspection is None:
        inspection = inspect(recipe.data, lambda: _prepared(training), use=use)
        write_json(file, {**key, "inspection": inspection.to_dict()})
    inspection.require_sense()
    return inspection


def _prepared(training: Training) -> Prepared:
    prepared = training.prepared
    status("inspecting the data")
    return prepared


def _kept(kept: Mapping[str, Any], key: Mapping[str, Any]) -> Inspection | None:
    same = all(kept.get(name) == value for name, value in key.items())
    return Inspection.from_dict(kept["inspection"]) if same else None


def use_of(recipe: Recipe) -> Use:
    """What the recipe's arms do with documents."""
    arms = [ARMS[name] for name in recipe.arms]
    return Use(
        labels=any(arm.unlearns or arm.data not in ("unlabeled", "truly_not_forget") for arm in arms),
        words=any(partition_of(recipe, name).distinctive_words is not None for name in recipe.arms if is_routed(name)),
        sequence_length=recipe.data.sequence_length,
        batch_size=recipe.train.batch_size,
    )


def tell(training: Training) -> None:
    """Log the warnings about the data of a run that has not started yet, one a line.

    Raises:
        GradmaskError: see `inspected`.
    """
    if training.folder.started:
        return
    warnings = inspected(training).warnings
    for warning in warnings[:TOLD]:
        logger.warning("data: %s", warning.text)
    if warnings:
        more = f"{len(warnings) - TOLD} more warnings; " if len(warnings) > TOLD else ""
        logger.warning("data: %sgradmask train RECIPE --dry-run shows where, and what to do", more)
