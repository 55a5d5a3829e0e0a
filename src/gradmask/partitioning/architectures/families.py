"""The built-in declarations, one per way of laying out a block."""

from __future__ import annotations

from gradmask.partitioning.architectures.declaration import Architecture, Attention, Mlp

_SEPARATE = Attention(
    {"self_attn.q_proj": "q", "self_attn.k_proj": "k", "self_attn.v_proj": "v"}, output="self_attn.o_proj"
)
_GATED = Mlp(("mlp.gate_proj", "mlp.up_proj"), output="mlp.down_proj")

LLAMA = Architecture(("llama",), blocks=("layers",), attention=(_SEPARATE,), mlp=(_GATED,))

GPT2 = Architecture(
    ("gpt2",),
    blocks=("h",),
    attention=(Attention({"attn.c_attn": "q|k|v"}, output="attn.c_proj", kv_heads=None),),
    mlp=(Mlp(("mlp.c_fc",), output="mlp.c_proj"),),
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

FAMILIES = (LLAMA, GPT2, GPT_NEO)
