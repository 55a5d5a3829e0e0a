"""Measuring the finished arms of a run: from its folder to ``results.json``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

import gradmask as gm
from gradmask.data import Prepared
from gradmask.errors import GradmaskError
from gradmask.evaluate.calibration import CalibrationSettings
from gradmask.evaluate.environment import machine, versions
from gradmask.evaluate.headline import headline
from gradmask.evaluate.results import ArmResult, Point, Results, write_results
from gradmask.evaluate.run import HISTOGRAM_EDGES, Measures, measure, sample
from gradmask.manifest import MANIFEST
from gradmask.train.folder import ArmFolder, RunFolder
from gradmask.train.log import RunLog
from gradmask.train.quiet import quiet
from gradmask.train.recipe import EvaluateSpec, Recipe
from gradmask.train.run import Run

TITLES = {
    "gradmask": "gradmask",
    "no_filter": "no filter",
    "filter": "filter, same labels",
    "perfect_filter": "perfect filter",
}


@quiet()
def evaluate_run(folder: RunFolder, progress: Callable[[str], None] = lambda line: None) -> Results:
    """Measure every finished arm on held-out data and write ``results.json``.

    Args:
        folder: of a run that `gradmask.train.run.train` made.
        progress: told what is being done, one short line at a time.

    Raises:
        GradmaskError: no run, or no finished arm.
    """
    recipe = folder.recipe()
    done: list[str] = [name for name in recipe.arms if folder.arm(name).finished]
    if not done:
        raise GradmaskError(
            f"{folder.path} has no finished arm yet: run gradmask train with its recipe.yaml to the end"
        )
    prepared = Run(recipe, folder).prepared()
    arms = {name: _arm(recipe, prepared, folder.arm(name), name, progress) for name in done}
    results = Results(
        name=recipe.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=f"gradmask train {folder.recipe_file} && gradmask evaluate {folder.path}",
        versions=versions(),
        machine=machine(),
        recipe=recipe.model_dump(mode="json"),
        labels=prepared.label_table,
        histogram_edges=[float(edge) for edge in HISTOGRAM_EDGES],
        arms=arms,
        headline=headline(arms),
    )
    write_results(folder.results, results)
    return results


def _arm(recipe: Recipe, prepared: Prepared, arm: ArmFolder, name: str, progress: Callable[[str], None]) -> ArmResult:
    model = trained_model(arm)
    measures = measures_of(recipe.evaluate)
    models = measure(
        model,
        prepared.test,
        prepared.roles,
        measures,
        lambda line: progress(f"{TITLES[name]}: {line}"),
        prepared.tokenizer,
    )
    progress(f"{TITLES[name]}: samples")
    lines = list(RunLog(arm.log).lines())
    return ArmResult(
        title=TITLES[name],
        policy=recipe.partition.policy if name == "gradmask" else None,
        parameters=parameters_of(model),
        steps=max(line["step"] for line in lines),
        tokens=max(line["tokens"] for line in lines),
        seconds=max(line["seconds"] for line in lines),
        models=models,
        curve=curve(lines),
        samples=sample(model, prepared.tokenizer, prepared.test, measures, recipe.train.seed),
    )


def trained_model(arm: ArmFolder) -> PreTrainedModel:
    """The final model of a finished arm: partitioned where it was trained so."""
    if (arm.model / MANIFEST).is_file():
        model: nn.Module = gm.load(arm.model)
    else:
        model = AutoModelForCausalLM.from_pretrained(arm.model, use_safetensors=True)
    return cast(PreTrainedModel, model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu")))


def measures_of(spec: EvaluateSpec) -> Measures:
    """The recipe's part in the words of `gradmask.evaluate`."""
    settings = CalibrationSettings(steps=spec.calibration_steps, alpha=spec.alpha, beta=spec.beta)
    return Measures(
        sequences=spec.sequences,
        batch_size=spec.batch_size,
        calibration=settings if settings.steps else None,
        samples=spec.samples,
        sample_tokens=spec.sample_tokens,
    )


def parameters_of(model: PreTrainedModel) -> dict[str, int]:
    """Group -> number of parameters; a plain model is all ``retain``."""
    if not gm.is_partitioned(model):
        return {"retain": sum(p.numel() for p in model.parameters())}
    return {group: sum(p.numel() for p in members.values()) for group, members in gm.groups(model).items()}


def curve(lines: list[dict[str, Any]]) -> list[Point]:
    """The points of the training curve in a log."""
    return [
        Point(step=line["step"], tokens=line["tokens"], losses=line["domain_loss"])
        for line in lines
        if "domain_loss" in line
    ]
