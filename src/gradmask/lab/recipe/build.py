"""From a recipe to a model, partitioned into its groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel, set_seed

import gradmask as gm
from gradmask.errors import GradmaskError
from gradmask.lab.recipe.spec import GroupSpec, PartitionSpec, Recipe, SelfLabelingSpec

FILLED_IN = ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id")


def new_model(recipe: Recipe, tokenizer: Any) -> PreTrainedModel:
    """The model before training: the same weights for every arm, by the recipe's seed.

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
                f"use the model's own tokenizer, data.tokenizer.path={recipe.model.pretrained}"
            )
        return model
    assert recipe.model.config is not None
    return AutoModelForCausalLM.from_config(config_of(recipe.model.config, _token_ids(tokenizer)))


def cut_model(
    model: PreTrainedModel, partition: PartitionSpec, seed: int = 0, sizes: Mapping[str, int] | None = None
) -> PreTrainedModel:
    """`gradmask.partition` with the settings of a recipe.

    Args:
        model: a plain one.
        partition: see `PartitionSpec`.
        seed: of the policy's random draws.
        sizes: group -> how much text is labeled with it, to which a policy of GRAM draws groups in proportion.
    """
    groups = {name: _group(group) for name, group in partition.groups.items()}
    own = partition.self_labeling
    labeling = _labeling(own) if own else False
    policy = gm.resolve_policy(partition.policy)
    if partition.policy in gm.GRAM_SETTINGS and sizes and any(sizes.values()):
        policy = replace(
            policy, odds={name: sizes.get(name, 0) * partition.oversampling.get(name, 1.0) for name in groups}
        )
    if partition.rehearsal is not None:
        policy = replace(policy, rehearsal=partition.rehearsal, **_target(partition))
    if partition.rehearsal_weight is not None:
        policy = replace(policy, rehearsal_weight=partition.rehearsal_weight)
    return gm.partition(
        model, groups, partition.joint, policy, seed, labeling, exact=partition.exact, base=partition.base
    )


def _labeling(own: SelfLabelingSpec) -> gm.SelfLabeling:
    if 0 < own.after < 1:
        raise GradmaskError(
            f"self_labeling.after is {own.after:g}, a share of the run's training passes: give a count, or settle the recipe "
            "first (gradmask.lab.run.settling), as gradmask train does"
        )
    return gm.SelfLabeling(**{**own.model_dump(exclude={"labeled_first"}), "after": int(own.after)})


def parameter_counts(recipe: Recipe, partition: PartitionSpec, tokenizer: Any) -> dict[str, int]:
    """Group -> how many parameters it owns, of a model without weights."""
    settings, pretrained = recipe.model.config, recipe.model.pretrained
    config = config_of(settings, _token_ids(tokenizer)) if settings is not None else pretrained_config(str(pretrained))
    owned = gm.groups(cut_model(untrained_model(config), partition))
    return {group: sum(p.numel() for p in members.values()) for group, members in owned.items()}


def untrained_model(config: PreTrainedConfig) -> PreTrainedModel:
    """A model that can be partitioned, not trained: without weights (on the device ``meta``) where its type is declared.

    Where its units are recognised by running it, on the CPU with random weights, which leave the random state as it was.
    """
    declared = config.model_type in gm.supported()
    with torch.device("meta" if declared else "cpu"), torch.random.fork_rng(devices=[]):
        return AutoModelForCausalLM.from_config(config)


def _target(partition: PartitionSpec) -> dict[str, Any]:
    """Nothing is rehearsed where an arm's rehearsal is 0, so it has no target either."""
    return {"rehearsal_target": partition.rehearsal_target if partition.rehearsal else "next_token"}


def _group(group: GroupSpec) -> gm.Slice | gm.Adapter:
    if group.adapter is not None:
        return gm.Adapter(**group.adapter.model_dump())
    return gm.Slice(**group.model_dump(exclude={"adapter"}))


def config_of(settings: dict[str, Any], filled_in: dict[str, int | None]) -> PreTrainedConfig:
    """The configuration of a new model, with the fields that the tokenizer determines filled in."""
    values = {key: value for key, value in settings.items() if key != "model_type"}
    return AutoConfig.for_model(settings["model_type"], **{**filled_in, **values})


def _token_ids(tokenizer: Any) -> dict[str, int | None]:
    return {"vocab_size": len(tokenizer), **{name: getattr(tokenizer, name, None) for name in FILLED_IN[1:]}}


def pretrained_config(name: str) -> PreTrainedConfig:
    """The configuration of a pretrained model.

    Raises:
        GradmaskError: it cannot be opened, or is quantized.
    """
    with _opened(name):
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    if getattr(config, "quantization_config", None):
        raise GradmaskError(
            f"{name} holds quantized weights, and a recipe trains and measures ordinary ones (its other arms train all of them): "
            "give the model that it was made from; or train adapters on it with gm.partition in a loop or Trainer of your own "
            "(docs/adapters.md)"
        )
    return config


def _pretrained(name: str) -> PreTrainedModel:
    pretrained_config(name)
    with _opened(name):
        gm.require_own_files(Path(name))
        return AutoModelForCausalLM.from_pretrained(
            name, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )


@contextmanager
def _opened(name: str) -> Iterator[None]:
    """A stranger's model raises anything that the libraries that read it can raise."""
    try:
        yield
    except GradmaskError:
        raise
    except Exception as error:
        raise GradmaskError(f"{name} cannot be opened: {last_line(error)}") from None


def last_line(error: BaseException) -> str:
    """The last line of an error message: the cause, after the context."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
