"""A tiny random model of every type in the Auto mappings, made from its config class alone.

Sizes are told by the names of the fields; what cannot be told by a rule stands in `OVERRIDES`.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import torch
import transformers
from tests.tiny import integers
from transformers import PreTrainedModel
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

TASKS = {
    "causal": ("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", "AutoModelForCausalLM"),
    "seq2seq": ("MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES", "AutoModelForSeq2SeqLM"),
    "masked": ("MODEL_FOR_MASKED_LM_MAPPING_NAMES", "AutoModelForMaskedLM"),
    "image-text": ("MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES", "AutoModelForImageTextToText"),
}
VOCABULARY, HEADS, KV_HEADS, HEAD_DIM, HIDDEN, NEURONS, LAYERS, EXPERTS = 128, 4, 2, 8, 32, 48, 2, 4
TEXT_TOKENS = (4, 90)
"""Ids of ordinary tokens; special ones (images, audio, ends) lie outside."""

_LAYERS = r"(num|n)_(hidden_|decoder_|encoder_|text_)?(layers?|blocks)|depth|(encoder|decoder)_layers|(encoder_|decoder_)?num_(hidden_)?layers"
RULES: tuple[tuple[str, Any], ...] = (
    (_LAYERS, LAYERS),
    (
        r"(hidden_size|d_model|n_embd|embed_dim|n_embed|dim|d_embed|embedding_size|emb_dim|word_embed_proj_dim|"
        r"attention_hidden_size|attention_dim|width|encoder_hidden_size|cross_attention_hidden_size|embedding_dim|"
        r"mm_hidden_size|out_hidden_size|projection_dim|projector_hidden_size|mamba_hidden_size|"
        r"text_hidden_size|depth_hidden_size)",
        HIDDEN,
    ),
    (
        r"(num|n)_(attention_|decoder_attention_|encoder_attention_)?heads?|n_heads?|(encoder|decoder)_attention_heads|num_(encoder|decoder)_attention_heads",
        HEADS,
    ),
    (
        r"(num|n)_(key_value|kv)_heads?|multi_query_group_num|num_query_groups|num_global_key_value_heads|swa_num_key_value_heads",
        KV_HEADS,
    ),
    (
        r"head_dim|d_kv|attention_head_dim|attention_head_size|kv_channels|global_head_dim|v_head_dim|dim_head|swa_head_dim|swa_v_head_dim",
        HEAD_DIM,
    ),
    (
        r"(intermediate_size|ffn_dim|n_inner|d_ff|ffn_hidden_size|encoder_ffn_dim|decoder_ffn_dim|d_inner|dim_ff|"
        r"inner_dim|intermediate_dim|mlp_dim|encoder_intermediate_size|decoder_intermediate_size|dim_feedforward|"
        r"intermediate_size_mlp|dense_intermediate_size|hidden_dim)",
        NEURONS,
    ),
    (
        r"(moe|expert|shared_expert|moe_shared_expert|shared)_(intermediate_size|ffn_dim|hidden_size|ffn_hidden_size)",
        16,
    ),
    (r"(num|n)_(local_|routed_|moe_)?experts|moe_num_experts", EXPERTS),
    (
        r"num_experts_per_tok|moe_topk|top_k_experts|num_experts_per_token|moe_k|moe_top_k|num_selected_experts|expert_top_k|experts_top_k",
        2,
    ),
    (r"(num|n)_(shared_experts)|moe_num_shared_experts", 1),
    (r"n_group|topk_group|num_expert_group|num_limited_groups|n_groups_experts", 1),
    (r"first_k_dense_replace|num_dense_layers|first_num_dense_layers", 1),
    (r"(\w+_)?vocab_size(_per_layer_input)?|vocab_size_\w+", VOCABULARY),
    (r"q_lora_rank", 12),
    (r"kv_lora_rank", 16),
    (r"qk_rope_head_dim", 4),
    (r"qk_nope_head_dim", 8),
    (r"qk_head_dim", 12),
    (
        r"(max_position_embeddings|n_positions|n_ctx|max_seq_len|max_source_positions|max_target_positions|seq_length|"
        r"model_max_length|max_sequence_length|context_length|max_position)",
        64,
    ),
    (
        r"sliding_window|attention_window|window_size|local_attention|attention_window_size|chunk_size|attention_chunk_size",
        4,
    ),
    (r"query_pre_attn_scalar", HEAD_DIM),
    (r"hidden_size_per_layer_input", 8),
    (r"index_n_heads", 2),
    (r"index_head_dim", 8),
    (r"index_topk", 4),
    (r"image_size|img_size", 16),
    (r"patch_size", 4),
    (r"num_channels|in_channels|in_chans", 3),
    (r"spatial_merge_size", 2),
    (r"temporal_patch_size", 2),
    (r"mamba_d_state|state_size|ssm_state_size|d_state", 8),
    (r"mamba_d_ssm", 64),
    (r"mamba_n_heads|mamba_num_heads|n_mamba_heads", 4),
    (r"mamba_d_head|mamba_head_dim", 16),
    (r"mamba_n_groups|n_groups|mamba_ngroups", 1),
    (r"mamba_chunk_size", 4),
    (r"mamba_dt_rank|time_step_rank", 4),
    (r"mamba_expand|expand", 2),
    (r"linear_head_dim", 8),
    (r"linear_num_heads", 4),
    (r"linear_num_key_heads", 2),
    (r"linear_num_value_heads", 4),
    (r"linear_key_head_dim", 8),
    (r"linear_value_head_dim", 8),
    (r"lru_width", HIDDEN),
    (r"rotary_dim|rotary_ndims", 4),
    (r"num_mel_bins", 16),
    (r"type_vocab_size", 2),
    (r"pad_token_id", 0),
    (r"bos_token_id|decoder_start_token_id|cls_token_id", 1),
    (r"eos_token_id|sep_token_id", 2),
    (r"mask_token_id", 3),
)
DROPOUT = re.compile(r"drop")
_ROPE = {"rope_type": "default", "rope_theta": 10000.0}
_MROPE = {"rope_parameters": {**_ROPE, "mrope_section": [2, 1, 1]}}
_HALF_ROPE = {"rope_parameters": {**_ROPE, "partial_rotary_factor": 0.5, "mrope_section": [1, 1, 0]}}
_ROUTED = {"n_routed_experts": EXPERTS, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
_HYBRID = ["linear_attention", "full_attention"]
OVERRIDES: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "granitemoehybrid": {"layer_types": _HYBRID},
    "zamba": {"layers_block_type": ["linear_attention", "hybrid"], "attention_head_dim": 16},
    "zamba2": {"layers_block_type": ["linear_attention", "hybrid"]},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "mamba2": {"num_heads": 4, "head_dim": 16, "expand": 2, "state_size": 8, "chunk_size": 4},
    "gemma3n_text": {
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "num_hidden_layers": 4,
        "num_kv_shared_layers": 2,
        "laurel_rank": 4,
        "activation_sparsity_pattern": [0.0] * 4,
    },
    "gemma4_text": {"num_kv_shared_layers": 0},
    "dots1": {**_ROUTED, "moe_intermediate_size": 16, "n_shared_experts": 1, "first_k_dense_replace": 1},
    "deepseek_v2": {**_ROUTED, "moe_intermediate_size": 16, "n_shared_experts": 1},
    "longcat_flash": {"zero_expert_num": 1},
    "neomme": {"head_dim": 16},
    "perceiver": {
        "max_position_embeddings": 8,  # its outputs are as long as that
        "d_latents": HIDDEN,
        "num_latents": 8,
        "num_self_attends_per_block": LAYERS,
        "num_self_attention_heads": HEADS,
    },
    "vibevoice_acoustic_tokenizer_encoder": {"depths": [1, 1], "downsampling_ratios": [2], "num_filters": 4},
    "cohere_compass_text": {"rope_parameters": {"full_attention": _ROPE, "sliding_attention": _ROPE}},
    "step3p5": {"sliding_window": 4},
    "qwen2_5_omni_thinker": {"vision_start_token_id": VOCABULARY - 20},
    "qwen3_omni_moe_thinker": {"vision_start_token_id": VOCABULARY - 20},
    "glm4v_moe_text": {**_HALF_ROPE, "num_key_value_heads": HEADS},
    "glm_ocr_text": _HALF_ROPE,
    "glmga_text": _HALF_ROPE,
    "hunyuan_vl_text": _MROPE,
    "zaya": {"num_experts_per_tok": 1},
    "reformer": {
        "axial_pos_embds_dim": [16, 16],
        "axial_pos_shape": [8, 8],
        "is_decoder": True,
        "attn_layers": ["local"] * 2,
    },
    "xmod": {"default_language": "en_XX"},
    "xlstm": {
        "qk_dim_factor": 0.5,
        "chunk_size": 4,
        "ffn_round_up_to_multiple_of": 8,
        "autocast_kernel_dtype": "float32",
    },
    "dots3_note_text": {"num_key_value_heads": HEADS},
    "esm": {"vocab_size": VOCABULARY, "position_embedding_type": "rotary"},
    "esmc": {"num_key_value_heads": HEADS},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "chameleon": {"rope_parameters": _ROPE},
    "emu3_text_model": {"rope_parameters": _ROPE},
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 4,
        "indexer_compress_ratio": 1,
        "hc_lowrank": 4,
    },
    **dict.fromkeys(
        (
            "qwen2_vl_text",
            "qwen2_5_vl_text",
            "glm4v_text",
            "glm46v_text",
            "paddleocr_vl_text",
            "qwen2_5_omni_text",
            "ernie4_5_vl_moe_text",
            "cosmos3_edge_text",
        ),
        _MROPE,
    ),
}


def config_of(model_type: str) -> Any:
    """A tiny config."""
    return _tiny(CONFIG_MAPPING[model_type])


def _tiny(cls: type, default: Any = None) -> Any:
    default = default if default is not None else cls()
    values: dict[str, Any] = {}
    ids = iter(range(VOCABULARY - 1, TEXT_TOKENS[1], -1))
    kinds = list(dict.fromkeys(_read(default, "layer_types") or ()))
    for field in dataclasses.fields(cls):
        name, old = field.name, _read(default, field.name)
        rule = next((value for pattern, value in RULES if re.fullmatch(pattern, name)), None)
        if name == "layer_types" and len(kinds) > 1:
            values[name] = kinds
        if name in ("layer_types", "mlp_layer_types"):
            continue
        if name in getattr(cls, "sub_configs", {}) or hasattr(old, "model_type"):
            if old is not None and hasattr(old, "model_type"):
                values[name] = _tiny(type(old), old)
        elif rule is not None and (old is None or isinstance(old, int)) and not isinstance(old, bool):
            values[name] = rule if old is not None or field.default is not None else _optional(name, rule)
        elif re.search(r"token_(id|index)$", name) and isinstance(old, int):
            values[name] = next(ids)
        elif DROPOUT.search(name) and isinstance(old, float):
            values[name] = 0.0
    values = {k: v for k, v in values.items() if v is not None}
    if len(kinds) > 1 and "num_hidden_layers" in values:
        values["num_hidden_layers"] = len(kinds)
    if "qk_rope_head_dim" in values:
        values["head_dim"] = values["qk_rope_head_dim"]
        values["num_key_value_heads"] = HEADS
    values = {k: v for k, v in values.items() if k in {f.name for f in dataclasses.fields(cls)}}
    values |= OVERRIDES.get(getattr(cls, "model_type", ""), {})
    return cls(**values)


def _read(config: Any, name: str) -> Any:
    try:
        return getattr(config, name, None)
    except Exception:  # a size that differs by layer has no value for all
        return None


def _optional(name: str, rule: Any) -> Any:
    """A field that is None by default stays so, but for what must be small."""
    return rule if re.search(r"token_id|head_dim|key_value|kv_heads|intermediate|inner|ffn|lora_rank", name) else None


def build(task: str, model_type: str) -> PreTrainedModel:
    """The tiny model."""
    config = config_of(model_type)
    if config.is_encoder_decoder and _read(config, "decoder_start_token_id") is None:
        config.decoder_start_token_id = 1
    if task == "masked" and _read(config, "is_decoder"):
        config.is_decoder = False
    config._experts_implementation = "eager"  # grouped kernels add up in another order for other batches
    torch.manual_seed(0)
    model = getattr(transformers, TASKS[task][1]).from_config(config, attn_implementation="eager")
    model.tie_weights()  # as of a checkpoint that was opened: some types tie nothing before that
    with torch.no_grad():
        for p in (p for p in model.parameters() if p.requires_grad):
            p.add_(torch.randn_like(p) * 0.05)  # no promise may hold only because something is zero or one
    return model.eval()


def batch(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Three short sequences, and targets for them."""
    ids = integers(*TEXT_TOKENS, (3, 8))
    return {"input_ids": ids, "labels": ids.clone()}


def types(task: str) -> list[str]:
    """The model types of a task."""
    return list(getattr(modeling_auto, TASKS[task][0]))
