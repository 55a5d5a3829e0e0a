"""Losses, curve and samples of one arm, kept in the run's folder under what they depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError
from transformers import PreTrainedModel

from gradmask.data import Prepared
from gradmask.files import write_whole
from gradmask.lab.measures.results import ArmResult
from gradmask.lab.measures.run import measure, sample
from gradmask.lab.progress import heading, status
from gradmask.lab.recipe.arms import ARMS, is_routed, partition_of
from gradmask.lab.recipe.spec import Recipe
from gradmask.lab.run.consolidating import strengths_of, taught_tokens_of
from gradmask.lab.run.examples import consolidation_steps, total_steps
from gradmask.lab.run.folder import RunFolder
from gradmask.lab.run.log import RunLog
from gradmask.lab.run.measuring.amounts import measures_of
from gradmask.lab.run.trained import curve, parameters_of

LOSSES = ("sequences", "batch_size", "calibration", "calibration_steps", "alpha", "beta", "samples", "sample_tokens")
"""Keys of ``evaluate`` that losses and samples depend on."""


def arm_losses(
    recipe: Recipe,
    folder: RunFolder,
    prepared: Prepared,
    name: str,
    weights: Sequence[str],
    load: Callable[[], PreTrainedModel],
) -> ArmResult:
    """Measure an arm, unless the same was measured before.

    Args:
        recipe: of the run.
        folder: of the run.
        prepared: its data.
        name: of the arm.
        weights: the hashes of its weights.
        load: gives its model.
    """
    file = folder.path / "evidence" / f"{name}-losses.json"
    settings = {key: getattr(recipe.evaluate, key) for key in LOSSES} | {"seed": recipe.train.seed}
    parts = {"arm": name, "settings": settings, "data": prepared.fingerprint, "weights": list(weights)}
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["key"] == key:
            return ArmResult.model_validate(data["found"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        pass  # not there, or damaged: measure it
    with heading(ARMS[name].title):
        result = _measure(recipe, folder, prepared, name, load())
    write_whole(file, json.dumps({"key": key, "found": result.model_dump(mode="json")}, indent=1) + "\n")
    return result


def _measure(recipe: Recipe, folder: RunFolder, prepared: Prepared, name: str, model: Any) -> ArmResult:
    measures = measures_of(recipe.evaluate)
    models = measure(model, prepared.test, prepared.roles, measures, prepared.tokenizer)
    status("samples")
    lines = list(RunLog(folder.arm(name).log).lines())
    fitted = strengths_of(folder.arm(name))
    return ArmResult(
        title=ARMS[name].title,
        policy=partition_of(recipe, name).policy if is_routed(name) else None,
        parameters=parameters_of(model),
        steps=max(line["step"] for line in lines),
        tokens=max(line["tokens"] for line in lines),
        seconds=max(line["seconds"] for line in lines),
        consolidation=0 if ARMS[name].unlearns else consolidation_steps(recipe, name, total_steps(recipe, prepared)),
        strengths=fitted.of,
        fitting_tokens=fitted.tokens,
        taught_tokens=taught_tokens_of(folder.arm(name)),
        models=models,
        curve=curve(lines),
        samples=sample(model, prepared.tokenizer, prepared.test, measures, recipe.train.seed),
    )
