"""From a recipe to a model, cut into its groups."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, cast

import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel, set_seed
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK, get_available_reporting_integrations
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

import gradmask as gm
from gradmask.data.spec import DataSpec
from gradmask.errors import GradmaskError, did_you_mean
from gradmask.policy import resolve_policy
from gradmask.train.problems import Problem
from gradmask.train.quiet import quiet
from gradmask.train.recipe import GroupSpec, ModelSpec, PartitionSpec, Recipe, TrainSpec

FILLED_IN = ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id")


def new_model(recipe: Recipe, tokenizer: Any) -> PreTrainedModel:
    """The whole model before training: the same weights for every arm, by the recipe's seed.

    Raises:
        GradmaskError: a pretrained model that cannot be opened, or whose vocabulary is smaller than the tokenizer's.
    """
    set_seed(recipe.train.seed)
    if recipe.model.pretrained is not None:
        model = _pretrained(recipe.model.pretrained)
        rows = cast(nn.Embedding, model.get_input_embeddings()).num_embeddings
        if rows < len(tokenizer):
            raise GradmaskError(
                f"{recipe.model.pretrained} has {rows} embeddings, but the tokenizer has {len(tokenizer)} tokens: "
                f"give the model's own with data.tokenizer.path={recipe.model.pretrained}"
            )
        return model
    assert recipe.model.config is not None
    return AutoModelForCausalLM.from_config(_config(recipe.model.config, _token_ids(tokenizer)))


def cut_model(model: PreTrainedModel, partition: PartitionSpec, seed: int = 0) -> PreTrainedModel:
    """`gradmask.partition` as a recipe says it."""
    pieces = {name: _piece(group) for name, group in partition.groups.items()}
    own = partition.self_labeling
    labeling = gm.SelfLabeling(**own.model_dump(exclude={"labeled_first"})) if own else False
    policy = resolve_policy(partition.policy)
    if partition.rehearsal is not None:
        policy = replace(policy, rehearsal=partition.rehearsal)
    return gm.partition(
        model, pieces, partition.joint, policy, seed, labeling, exact=partition.exact, base=partition.base
    )


def _piece(group: GroupSpec) -> gm.Slice | gm.Adapter:
    if group.adapter is not None:
        return gm.Adapter(**group.adapter.model_dump())
    return gm.Slice(**group.model_dump(exclude={"adapter"}))


@quiet()
def trial_problems(model: ModelSpec, partition: PartitionSpec, data: DataSpec | None) -> list[Problem]:
    """Build the model without weights and partition it; what would go wrong later is found now."""
    if model.config is not None and (problems := _config_problems(model.config)):
        return problems
    key = "model.config" if model.config is not None else "model.pretrained"
    try:
        config = _config(model.config, {}) if model.config is not None else _pretrained_config(str(model.pretrained))
        with torch.device("meta"):
            built = AutoModelForCausalLM.from_config(config)
    except GradmaskError as error:
        return [Problem(key, str(error))]
    except Exception as error:  # transformers and its validators raise errors of many types for one cause: the config
        return [Problem(key, f"no causal language model can be built from this: {_last_line(error)}")]
    problems = _length_problems(config, data)
    try:
        cut_model(built, partition)
    except GradmaskError as error:
        problems.append(Problem("partition", str(error)))
    return problems


def machine_problems(train: TrainSpec) -> list[Problem]:
    """What this machine, or what is installed on it, cannot do."""
    problems = []
    if train.precision == "fp16" and not torch.cuda.is_available():
        problems.append(Problem("train.precision", "given 'fp16', which needs a CUDA device: take bf16 or fp32"))
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
    supported = [name for name in gm.supported() if name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES]
    if kind not in supported:
        needed = f"needed: a supported causal language model.{did_you_mean(kind, supported)}"
        return [Problem("model.config.model_type", f"given {kind!r}, {needed} Supported: {', '.join(supported)}")]
    if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.get("is_decoder"):
        needed = f"needed: true, since a {kind} model otherwise sees the tokens that it is to predict"
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
    if data is None or longest is None or data.sequence_length <= longest:
        return []
    return [
        Problem(
            "data.sequence_length", f"given {data.sequence_length}, needed: at most the model's {longest} positions"
        )
    ]


def _config(given: dict[str, Any], filled_in: dict[str, int | None]) -> PreTrainedConfig:
    values = {key: value for key, value in given.items() if key != "model_type"}
    return AutoConfig.for_model(given["model_type"], **{**filled_in, **values})


def _token_ids(tokenizer: Any) -> dict[str, int | None]:
    return {"vocab_size": len(tokenizer), **{name: getattr(tokenizer, name, None) for name in FILLED_IN[1:]}}


def _pretrained_config(name: str) -> PreTrainedConfig:
    try:
        return AutoConfig.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise GradmaskError(f"{name} cannot be opened: {_last_line(error)}") from None


def _pretrained(name: str) -> PreTrainedModel:
    _pretrained_config(name)
    try:
        return AutoModelForCausalLM.from_pretrained(
            name, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise GradmaskError(f"{name} cannot be opened: {_last_line(error)}") from None


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
