"""Decoders: language models that read from left to right."""

from __future__ import annotations

from gradmask.partitioning.architectures.declaration import Architecture, Attention, Mlp

_SEPARATE = {"self_attn.q_proj": "q", "self_attn.k_proj": "k", "self_attn.v_proj": "v"}
_LLAMA_ATTENTION = Attention(_SEPARATE, output="self_attn.o_proj")
QK_NORMS = {"self_attn.q_norm.weight": "q", "self_attn.k_norm.weight": "k"}
_GATED = Mlp(("mlp.gate_proj", "mlp.up_proj"), output="mlp.down_proj")

LLAMA = Architecture(
    ("llama", "mistral", "qwen2", "qwen3", "gemma2", "smollm3", "granite", "cohere2"),
    blocks=("layers",),
    attention=(_LLAMA_ATTENTION,),
    mlp=(_GATED,),
)

COHERE = Architecture(
    ("cohere",),
    blocks=("layers",),
    attention=(
        Attention(
            _SEPARATE,
            output="self_attn.o_proj",
            entries={"self_attn.q_norm.weight": "h", "self_attn.k_norm.weight": "g"},
        ),
    ),
    mlp=(_GATED,),
    notes="one scale for each head and channel, in models that have these norms",
)

GEMMA3 = Architecture(
    ("gemma3_text",),
    blocks=("layers",),
    attention=(_LLAMA_ATTENTION,),
    mlp=(_GATED,),
    heads_first=("self_attn.q_norm", "self_attn.k_norm"),
)

STABLELM = Architecture(
    ("stablelm",),
    blocks=("layers",),
    attention=(_LLAMA_ATTENTION,),
    mlp=(_GATED,),
    heads_first=("self_attn.q_layernorm", "self_attn.k_layernorm"),
)

OLMO2 = Architecture(
    ("olmo2",),
    blocks=("layers",),
    attention=(Attention(_SEPARATE, output="self_attn.o_proj", mixes_heads=True, entries=QK_NORMS),),
    mlp=(_GATED,),
)

PHI3 = Architecture(
    ("phi3",),
    blocks=("layers",),
    attention=(Attention({"self_attn.qkv_proj": "q|k|v"}, output="self_attn.o_proj"),),
    mlp=(Mlp(("mlp.gate_up_proj",), output="mlp.down_proj", fused=2),),
)

GPT2 = Architecture(
    ("gpt2",),
    blocks=("h",),
    attention=(Attention({"attn.c_attn": "q|k|v"}, output="attn.c_proj", kv_heads=None),),
    mlp=(Mlp(("mlp.c_fc",), output="mlp.c_proj", neurons="n_inner"),),
)

GPT_NEO = Architecture(
    ("gpt_neo",),
    blocks=("h",),
    attention=(
        Attention(
            {"attn.attention.q_proj": "q", "attn.attention.k_proj": "k", "attn.attention.v_proj": "v"},
            output="attn.attention.out_proj",
            kv_heads=None,
        ),
    ),
    mlp=(Mlp(("mlp.c_fc",), output="mlp.c_proj"),),
)

GPT_J = Architecture(
    ("gptj",),
    blocks=("h",),
    attention=(
        Attention({"attn.q_proj": "q", "attn.k_proj": "k", "attn.v_proj": "v"}, output="attn.out_proj", kv_heads=None),
    ),
    mlp=(Mlp(("mlp.fc_in",), output="mlp.fc_out", neurons="n_inner"),),
)

GPT_NEOX = Architecture(
    ("gpt_neox",),
    blocks=("layers",),
    attention=(Attention({"attention.query_key_value": "(qkv)"}, output="attention.dense", kv_heads=None),),
    mlp=(Mlp(("mlp.dense_h_to_4h",), output="mlp.dense_4h_to_h"),),
)

FALCON = Architecture(
    ("falcon",),
    blocks=("h",),
    attention=(Attention({"self_attention.query_key_value": "(q*kv)"}, output="self_attention.dense", kv_heads=None),),
    mlp=(Mlp(("mlp.dense_h_to_4h",), output="mlp.dense_4h_to_h", neurons="ffn_hidden_size"),),
    bias_apart="FalconLinear",
    notes="one key-value head, some, or one per head: the shape of the fused projection says which",
)

OPT = Architecture(
    ("opt",),
    blocks=("decoder.layers",),
    attention=(Attention(_SEPARATE, output="self_attn.out_proj", kv_heads=None),),
    mlp=(Mlp(("fc1",), output="fc2", neurons="ffn_dim"),),
)

DECODERS = (LLAMA, COHERE, GEMMA3, STABLELM, OLMO2, PHI3, GPT2, GPT_NEO, GPT_J, GPT_NEOX, FALCON, OPT)
