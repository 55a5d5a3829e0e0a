"""Tiny random models, one for every architecture and for every variant of one that is laid out differently."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import torch
import transformers
from transformers import AutoConfig, PreTrainedModel

from tiny import integers

VOCABULARY, LAYERS, HEADS, KV_HEADS, HEAD_DIM, HIDDEN, NEURONS, EXPERTS = 64, 2, 6, 3, 8, 48, 40, 6
BATCH, LENGTH, SOURCE_LENGTH = 3, 7, 5
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "intermediate_size": NEURONS,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
"""Common fields; a config class that names a size otherwise maps it, or a case overrides it."""

AUTO = {"causal": "AutoModelForCausalLM", "masked": "AutoModelForMaskedLM", "seq2seq": "AutoModelForSeq2SeqLM"}


@dataclass(frozen=True)
class Case:
    """One row of the contract.

    Args:
        name: of the test and of the row in the docs.
        model_type: the config's.
        kind: which task's model.
        config: what differs from the common sizes.
        kv_heads: how many the model really has.
        mixes_heads: a norm over all heads couples the queries and keys of different groups.
        compact_heads: its config can say that there are fewer heads of the same size.
        experts: how many it has.
        dense: whether some block has neurons to give.
        scans: tokens meet in modules that hold parameters (convolutions, scans), which the oracle of labels per token cannot do.
        loading: arguments with which its checkpoints open as what they were.
    """

    name: str
    model_type: str
    kind: Literal["causal", "masked", "seq2seq"] = "causal"
    config: dict[str, Any] = field(default_factory=dict, hash=False)
    kv_heads: int = KV_HEADS
    mixes_heads: bool = False
    compact_heads: bool = False
    experts: int = 0
    dense: bool = True
    scans: bool = False
    loading: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def per_token(self) -> bool:
        """Whether there is an oracle of labels per token."""
        return self.kind != "seq2seq" and not self.scans

    @property
    def units(self) -> tuple[str, ...]:
        """What a slice may ask for."""
        return ("heads", *(["neurons"] if self.dense else []), *(["experts", "expert_neurons"] if self.experts else []))

    def __str__(self) -> str:
        return self.name


_T5 = {"d_model": HIDDEN, "d_kv": HEAD_DIM, "d_ff": NEURONS, "num_layers": LAYERS, "num_heads": HEADS}
_T5 |= {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 16, "decoder_start_token_id": 0}
_GEMMA = {"head_dim": HEAD_DIM, "sliding_window": 4, "query_pre_attn_scalar": HEAD_DIM}
_EAGER = {"experts_implementation": "eager"}
_LOCAL = {"layer_types": ["sliding_attention", "full_attention"]}

DECLARED: tuple[Case, ...] = (
    Case("llama", "llama", config={"attention_bias": True, "mlp_bias": True}, compact_heads=True),
    Case("mistral", "mistral", config={"sliding_window": 4, "head_dim": HEAD_DIM}, compact_heads=True),
    Case("qwen2", "qwen2", compact_heads=True),
    Case("qwen3", "qwen3", config={"head_dim": HEAD_DIM}, compact_heads=True),
    Case("gemma2", "gemma2", config={**_GEMMA, **_LOCAL}, compact_heads=True),
    Case("gemma3", "gemma3_text", config={**_GEMMA, **_LOCAL}, compact_heads=True),
    Case("phi3", "phi3", compact_heads=True),
    Case("gpt2", "gpt2", config={"n_inner": NEURONS}, kv_heads=HEADS),
    Case(
        "gpt-neo", "gpt_neo", config={"attention_types": [[["global", "local"], 1]], "window_size": 4}, kv_heads=HEADS
    ),
    Case("gpt-neox", "gpt_neox", kv_heads=HEADS),
    Case("gpt-j", "gptj", config={"n_inner": NEURONS, "rotary_dim": 4}, kv_heads=HEADS),
    Case("opt", "opt", config={"ffn_dim": NEURONS, "word_embed_proj_dim": HIDDEN}, kv_heads=HEADS),
    Case(
        "opt-post-norm",
        "opt",
        config={"ffn_dim": NEURONS, "word_embed_proj_dim": 20, "do_layer_norm_before": False},
        kv_heads=HEADS,
    ),
    Case("olmo2", "olmo2", mixes_heads=True),
    Case("smollm3", "smollm3", config={"no_rope_layers": [1, 0]}, compact_heads=True),
    Case("falcon-grouped", "falcon", config={"new_decoder_architecture": True, "num_kv_heads": KV_HEADS}),
    Case("falcon-multi-query", "falcon", config={"bias": True}, kv_heads=1),
    Case(
        "falcon-multi-head",
        "falcon",
        config={"multi_query": False, "alibi": True, "parallel_attn": False},
        kv_heads=HEADS,
    ),
    Case("stablelm", "stablelm", config={"use_qkv_bias": True}),
    Case("stablelm-qk-norm", "stablelm", config={"qk_layernorm": True, "use_parallel_residual": True}),
    Case("granite", "granite", config={"embedding_multiplier": 2.0, "logits_scaling": 1.5}, compact_heads=True),
    Case("cohere", "cohere", compact_heads=True),
    Case("cohere-qk-norm", "cohere", config={"use_qk_norm": True}, compact_heads=True),
    Case("cohere2", "cohere2", config={"sliding_window": 4, **_LOCAL}, compact_heads=True),
    Case("bert", "bert", "masked", kv_heads=HEADS),
    Case("roberta", "roberta", "masked", kv_heads=HEADS),
    Case("xlm-roberta", "xlm-roberta", "masked", kv_heads=HEADS),
    Case(
        "modernbert",
        "modernbert",
        "masked",
        config={"local_attention": 4, "global_attn_every_n_layers": 2, "reference_compile": False},
        kv_heads=HEADS,
    ),
    Case("esm2", "esm", "masked", {"position_embedding_type": "rotary", "mask_token_id": 3}, kv_heads=HEADS),
    Case(
        "mixtral",
        "mixtral",
        config={"num_local_experts": EXPERTS, "num_experts_per_tok": 2},
        compact_heads=True,
        experts=EXPERTS,
        dense=False,
        loading=_EAGER,
    ),
    Case(
        "qwen3-moe",
        "qwen3_moe",
        config={
            "num_experts": EXPERTS,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "mlp_only_layers": [1],
            "head_dim": HEAD_DIM,
        },
        compact_heads=True,
        experts=EXPERTS,
        loading=_EAGER,
    ),
    Case(
        "olmoe",
        "olmoe",
        config={"num_experts": EXPERTS, "num_experts_per_tok": 2},
        mixes_heads=True,
        experts=EXPERTS,
        dense=False,
        loading=_EAGER,
    ),
    Case(
        "gpt-oss",
        "gpt_oss",
        config={
            "num_local_experts": EXPERTS,
            "num_experts_per_tok": 2,
            "head_dim": HEAD_DIM,
            "sliding_window": 4,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        },
        compact_heads=True,
        experts=EXPERTS,
        dense=False,
        loading=_EAGER,
    ),
    Case("t5", "t5", "seq2seq", _T5, kv_heads=HEADS),
    Case("t5-gated", "t5", "seq2seq", {**_T5, "feed_forward_proj": "gated-gelu"}, kv_heads=HEADS),
    Case("mt5", "mt5", "seq2seq", _T5, kv_heads=HEADS),
)
RECOGNISED: tuple[Case, ...] = (
    Case(
        "qwen3-next",
        "qwen3_next",
        config={
            "num_experts": EXPERTS,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 24,
            "head_dim": HEAD_DIM,
            "linear_key_head_dim": HEAD_DIM,
            "linear_value_head_dim": HEAD_DIM,
            "linear_num_value_heads": HEADS,
            "linear_num_key_heads": KV_HEADS,
            "layer_types": ["linear_attention", "full_attention"],
        },
        experts=EXPERTS,
        scans=True,
        loading=_EAGER,
    ),
    Case(
        "mamba2",
        "mamba2",
        config={"num_heads": HEADS, "head_dim": 16, "expand": 2, "state_size": 8, "n_groups": 1, "chunk_size": 4},
        kv_heads=HEADS,
        mixes_heads=True,
        dense=False,
        scans=True,
    ),
)
"""Types that nobody declared, with heads of delta nets and of state-space layers."""
CASES = (*DECLARED, *RECOGNISED)
BY_NAME = {case.name: case for case in CASES}


@cache
def _built(case: Case, tied: bool) -> PreTrainedModel:
    config = AutoConfig.for_model(case.model_type, **{**SIZES, **case.config, "tie_word_embeddings": tied})
    for name, value in vars(config).items():
        if "drop" in name and isinstance(value, float):
            setattr(config, name, 0.0)
    for name, value in case.loading.items():
        setattr(config, f"_{name}", value)
    torch.manual_seed(0)
    model = getattr(transformers, AUTO[case.kind]).from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():  # no promise may hold only because something is zero or one
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


@cache
def _with_head(case: Case, head: str) -> PreTrainedModel:
    model = getattr(transformers, head).from_config(_built(case, False).config)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def build_for(case: Case, head: str) -> PreTrainedModel:
    """A fresh model of the case's architecture for another task; ``head``: an ``AutoModelFor...``, or ``AutoModel``."""
    return copy.deepcopy(_with_head(case, head))


def build(case: Case, tied: bool = False) -> PreTrainedModel:
    """A fresh copy of the case's model, without dropout; random biases and norms too."""
    return copy.deepcopy(_built(case, tied))


def batch(case: Case, seed: int = 0, size: int = BATCH, length: int = LENGTH) -> dict[str, torch.Tensor]:
    """Random inputs and targets; of an encoder-decoder, source and target of different lengths."""
    if case.kind == "seq2seq":
        source = integers(4, VOCABULARY, (size, SOURCE_LENGTH), seed)
        return {"input_ids": source, "labels": integers(4, VOCABULARY, (size, length), seed + 1000)}
    ids = integers(4, VOCABULARY, (size, length), seed)
    return {"input_ids": ids, "labels": ids.clone()}


def rows(inputs: dict[str, torch.Tensor], chosen: slice | list[int]) -> dict[str, torch.Tensor]:
    """Some examples of a batch."""
    return {name: value[chosen] for name, value in inputs.items()}


def logits(model: PreTrainedModel, inputs: dict[str, torch.Tensor], **kwargs: Any) -> torch.Tensor:
    """The logits ``[batch, sequence, vocabulary]`` of an evaluation pass."""
    with torch.no_grad():
        return model.eval()(**inputs, **kwargs).logits


def total_loss(case: Case, model: PreTrainedModel, inputs: dict[str, torch.Tensor], **kwargs: Any) -> torch.Tensor:
    """The summed cross-entropy over all targets, so that losses of separate passes add up."""
    found = model(**inputs, **kwargs, **({} if case.kind == "masked" else {"use_cache": False})).logits
    targets = inputs["labels"]
    if case.kind == "causal":
        found, targets = found[:, :-1], targets[:, 1:]
    return torch.nn.functional.cross_entropy(found.flatten(0, 1), targets.flatten(), reduction="sum")
