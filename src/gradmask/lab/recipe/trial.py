"""Checks of a recipe that need a trial: whether its model can be built and partitioned, and what this machine supports."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK, get_available_reporting_integrations
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

import gradmask as gm
from gradmask.data import DataSpec
from gradmask.errors import GradmaskError, did_you_mean
from gradmask.lab.recipe.build import config_of, cut_model, last_line, pretrained_config, untrained_model
from gradmask.lab.recipe.problems import Problem
from gradmask.lab.recipe.spec import ModelSpec, PartitionSpec, SelfLabelingSpec, TrainSpec
from gradmask.quiet import quiet

EXAMPLES = "For example: llama, qwen3, gemma3_text, gpt_oss, mixtral, falcon_h1; docs/architectures.md lists all that can be cut"
TRIED = 500_000_000
"""Parameters up to which a model whose units must be recognised is built for a trial."""


@quiet()
def trial_problems(
    model: ModelSpec, partition: PartitionSpec | None, data: DataSpec | None, distillation: float = 0.0
) -> list[Problem]:
    """Build the model without weights and partition it, so that errors show before anything is computed.

    ``partition``: None where it is still to be chosen; ``distillation``: that of a consolidation.
    """
    if model.config is not None and (problems := _config_problems(model.config)):
        return problems
    key = "model.config" if model.config is not None else "model.pretrained"
    try:
        config = config_of(model.config, {}) if model.config is not None else pretrained_config(str(model.pretrained))
        with torch.device("meta"):
            built = AutoModelForCausalLM.from_config(config)
    except GradmaskError as error:
        return [Problem(key, str(error))]
    except Exception as error:  # transformers and its validators raise errors of many types for one cause: the config
        return [Problem(key, f"no causal language model can be built from this: {last_line(error)}")]
    problems = _length_problems(config, data)
    try:
        if partition is not None and _can_be_tried(built):
            anytime = partition.model_copy(update={"self_labeling": _anytime(partition.self_labeling)})
            cut = cut_model(_cuttable(built), anytime)
            problems += _label_problems(cut, partition) + _distillation_problems(cut, distillation)
    except GradmaskError as error:
        problems.append(Problem("partition", str(error)))
    return problems


def _label_problems(model: PreTrainedModel, partition: PartitionSpec) -> list[Problem]:
    """A run mixes labels in its batches; where only some words carry a label, within sequences, too."""
    limits = gm.label_limits(model)
    key, needed = ("partition", "example") if "example" in limits else ("partition.distinctive_words", "token")
    if needed not in limits or (needed == "token" and partition.distinctive_words is None):
        return []
    do = "use another model, or a loop of your own with one label per batch" if needed == "example" else "write null"
    return [Problem(key, f"this {type(model).__name__} takes no labels per {needed}: {limits[needed]}; {do}")]


def _distillation_problems(model: PreTrainedModel, share: float) -> list[Problem]:
    """A consolidation that distils is tried, too: not at its beginning, after the whole run."""
    if not share:
        return []
    try:
        with gm.consolidation(model, distillation=share):
            return []
    except GradmaskError as error:
        return [Problem("train.consolidation.distillation", str(error))]


def _cuttable(built: PreTrainedModel) -> PreTrainedModel:
    """The same model, with weights where its units are recognised by running it."""
    return built if built.config.model_type in gm.supported() else untrained_model(built.config)


def _can_be_tried(built: PreTrainedModel) -> bool:
    """A large model of a type that is recognised by running it is cut when it is trained, not twice."""
    return built.config.model_type in gm.supported() or built.num_parameters() <= TRIED


def _anytime(own: SelfLabelingSpec | None) -> SelfLabelingSpec | None:
    """Self-labeling whose beginning does not depend on the length of the run."""
    return None if own is None else own.model_copy(update={"after": 0})


def machine_problems(train: TrainSpec) -> list[Problem]:
    """Settings that this machine, or its installed packages, do not support."""
    problems = []
    if train.precision == "fp16" and not torch.cuda.is_available():
        problems.append(Problem("train.precision", "given 'fp16', which needs a CUDA device: use bf16 or fp32"))
    installed = get_available_reporting_integrations()
    for name in train.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            known = ", ".join(sorted(INTEGRATION_TO_CALLBACK))
            hint = did_you_mean(name, INTEGRATION_TO_CALLBACK)
            problems.append(Problem("train.report_to", f"no such tracker: {name!r}.{hint} Known: {known}"))
        elif name not in installed:
            problems.append(Problem("train.report_to", f"{name!r} is not installed: pip install {name}"))
    return problems


def _config_problems(config: dict[str, Any]) -> list[Problem]:
    kind = config["model_type"]
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        hint = did_you_mean(kind, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
        needed = f"needed: a type of causal language model that Transformers knows.{hint} {EXAMPLES}"
        return [Problem("model.config.model_type", f"given {kind!r}, {needed}")]
    if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.get("is_decoder"):
        needed = f"needed: true; otherwise a {kind} model sees the tokens that it should predict"
        return [Problem("model.config.is_decoder", f"given {config.get('is_decoder')}, {needed}")]
    cls = CONFIG_MAPPING[kind]
    known = (
        {field.name for field in fields(cls)} | set(cls.attribute_map) | {"model_type", "rope_theta", "rope_scaling"}
    )
    return [
        Problem(f"model.config.{key}", f"a {kind} configuration has no such field.{did_you_mean(str(key), known)}")
        for key in config
        if key not in known
    ] + [
        Problem(f"model.config.{key}", f"given {value}, needed: a probability from 0 to 1")
        for key, value in config.items()
        if ("drop" in str(key)) and isinstance(value, int | float) and not 0 <= value <= 1
    ]


def _length_problems(config: PreTrainedConfig, data: DataSpec | None) -> list[Problem]:
    longest = getattr(config, "max_position_embeddings", None)
    if data is None or longest is None or longest < 1 or data.sequence_length <= longest:
        return []
    return [
        Problem(
            "data.sequence_length", f"given {data.sequence_length}, needed: at most the model's {longest} positions"
        )
    ]
