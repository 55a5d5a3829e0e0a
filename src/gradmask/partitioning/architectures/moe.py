"""Mixtures of experts: decoders whose feed-forward is a router and fused experts; some blocks may have a dense one."""

from __future__ import annotations

from gradmask.partitioning.architectures.declaration import Architecture, Attention, Experts, Mlp
from gradmask.partitioning.architectures.decoders import QK_NORMS

_SEPARATE = {"self_attn.q_proj": "q", "self_attn.k_proj": "k", "self_attn.v_proj": "v"}
_EXPERTS = Experts("mlp.experts", router="mlp.gate")
_DENSE = Mlp(("mlp.gate_proj", "mlp.up_proj"), output="mlp.down_proj", optional=True)

MIXTURES = (
    Architecture(
        ("mixtral", "qwen3_moe"),
        blocks=("layers",),
        attention=(Attention(_SEPARATE, output="self_attn.o_proj"),),
        mlp=(_DENSE,),
        experts=(_EXPERTS,),
    ),
    Architecture(
        ("olmoe",),
        blocks=("layers",),
        attention=(Attention(_SEPARATE, output="self_attn.o_proj", mixes_heads=True, entries=QK_NORMS),),
        experts=(_EXPERTS,),
    ),
    Architecture(
        ("gpt_oss",),
        blocks=("layers",),
        attention=(Attention(_SEPARATE, output="self_attn.o_proj", entries={"self_attn.sinks": "h"}),),
        experts=(Experts("mlp.experts", router="mlp.router"),),
    ),
)
