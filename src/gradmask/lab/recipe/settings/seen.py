"""What the rules see: the data's labels and words, the model's sizes, the length of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig
from transformers.loss.loss_utils import LOSS_MAPPING

from gradmask.data import RETAIN, UNLABELED, Prepared, distinctive_shares, tokens_per_word
from gradmask.lab.recipe.build import config_of, pretrained_config
from gradmask.lab.recipe.spec import Recipe

EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
"""What configurations call the number of their experts."""

SAMPLE = 100
"""Sequences in which words are counted."""


@dataclass(frozen=True)
class GroupSeen:
    """What is labeled with one removable group.

    Args:
        share: of the labeled tokens.
        distinctive: share of its tokens that are at least five times as frequent there as in retain text.
        tokens_per_word: many where a language has no spaces between words.
    """

    share: float
    distinctive: float = 0.0
    tokens_per_word: float = 1.5


@dataclass(frozen=True)
class Sizes:
    """Of the model; None where it has no such units. With experts, neurons are not cut.

    ``usual_loss``: whether it computes Transformers' own loss of causal language models, as distillation needs.
    """

    heads: int | None = None
    kv_heads: int | None = None
    neurons: int | None = None
    experts: int | None = None
    hidden: int = 0
    layers: int = 0
    parameters: int = 0
    usual_loss: bool = True


@dataclass(frozen=True)
class Seen:
    """Everything that the rules may depend on.

    Args:
        groups: removable group -> what is labeled with it.
        labeled_share: share of the training tokens that have a label.
        steps: optimizer steps of each arm.
        accumulation: training passes per step.
        passes: over the training text.
        tokens: that each arm is trained on, repeats included.
        sizes: of the model.
        pretrained: whether it starts from trained weights.
        policy: the recipe's.
        per_token: whether labels are per token.
        streamed: whether the text is read as it comes.
    """

    groups: Mapping[str, GroupSeen]
    labeled_share: float = 1.0
    steps: int = 1000
    accumulation: int = 1
    passes: float = 1.0
    tokens: int = 0
    sizes: Sizes = field(default_factory=Sizes)
    pretrained: bool = False
    policy: str = "strict"
    per_token: bool = False
    streamed: bool = False

    @property
    def forget_share(self) -> float:
        """Share of the labeled tokens that carry any removable group's label."""
        return sum(group.share for group in self.groups.values())

    @property
    def tokens_per_parameter(self) -> float:
        return self.tokens / max(1, self.sizes.parameters)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "forget_share": self.forget_share, "tokens_per_parameter": self.tokens_per_parameter}


def see(recipe: Recipe, prepared: Prepared, steps: int) -> Seen:
    """Look at a run's data and model; ``steps``: of each arm."""
    labels = np.asarray(prepared.train["data_labels"][:])
    trained = steps * recipe.train.batch_size * recipe.data.sequence_length
    return Seen(
        groups=groups_seen(prepared, labels),
        labeled_share=float(np.mean(labels != UNLABELED)),
        steps=steps,
        accumulation=recipe.train.gradient_accumulation,
        passes=_passes(recipe, prepared, trained),
        tokens=trained,
        sizes=sizes_of(recipe, len(prepared.tokenizer)),
        pretrained=recipe.model.pretrained is not None,
        policy=recipe.partition.policy,
        per_token=labels.ndim > 1,
        streamed=recipe.data.stream is not None,
    )


def _passes(recipe: Recipe, prepared: Prepared, trained: int) -> float:
    """Over the training text; one over a stream, whose length is not known."""
    if recipe.data.stream is not None:
        return 1.0
    return trained / max(1, len(prepared.train) * recipe.data.sequence_length)


def groups_seen(prepared: Prepared, labels: np.ndarray) -> dict[str, GroupSeen]:
    """What is labeled with each group; ``labels``: of the training sequences."""
    labeled, text = max(1, int(np.sum(labels >= RETAIN))), prepared.by_label.with_format("numpy")
    ids, of = np.asarray(text["input_ids"][:]), np.asarray(text["data_labels"][:])
    own = distinctive_shares(ids, of)
    return {
        name: GroupSeen(
            float(np.sum(labels == i)) / labeled,
            own.get(i, 0.0),
            tokens_per_word(ids[of == i][:SAMPLE], prepared.tokenizer) if i in own else 1.5,
        )
        for i, name in enumerate(prepared.groups, 1)
    }


def sizes_of(recipe: Recipe, vocabulary: int) -> Sizes:
    """Of the recipe's model, which is built without weights."""
    name = recipe.model.pretrained
    config = (
        pretrained_config(name)
        if name is not None
        else config_of(recipe.model.config or {}, {"vocab_size": vocabulary})
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    usual = model.loss_function is LOSS_MAPPING["ForCausalLM"]
    return replace(sizes_in(config.get_text_config(), model.num_parameters()), usual_loss=usual)


def sizes_in(config: PreTrainedConfig, parameters: int) -> Sizes:
    """What a configuration says, under the names that Transformers gives these sizes in every family."""
    heads = _number(config, "num_attention_heads") or _number(config, "num_heads")
    hidden = _number(config, "hidden_size") or 0
    experts = next((n for name in EXPERTS if (n := _number(config, name)) is not None and n > 1), None)
    neurons = next((n for name in ("intermediate_size", "n_inner", "ffn_dim") if (n := _number(config, name))), None)
    return Sizes(
        heads=heads,
        kv_heads=_number(config, "num_key_value_heads") or heads,
        neurons=None if experts else neurons or 4 * hidden or None,
        experts=experts,
        hidden=hidden,
        layers=_number(config, "num_hidden_layers") or 0,
        parameters=parameters,
    )


def _number(config: PreTrainedConfig, name: str) -> int | None:
    value = getattr(config, name, None)
    return value if type(value) is int else None
