"""Encoders: masked language models, of proteins too, and models with an encoder and a decoder."""

from __future__ import annotations

from gradmask.partitioning.architectures.declaration import Architecture, Attention, Mlp


def _bert_attention(name: str, optional: bool = False) -> Attention:
    inputs = {f"{name}.self.query": "q", f"{name}.self.key": "k", f"{name}.self.value": "v"}
    return Attention(inputs, output=f"{name}.output.dense", kv_heads=None, optional=optional)


BERT = Architecture(
    ("bert", "roberta", "xlm-roberta", "esm"),
    blocks=("encoder.layer",),
    attention=(_bert_attention("attention"), _bert_attention("crossattention", optional=True)),
    mlp=(Mlp(("intermediate.dense",), output="output.dense"),),
)

MODERNBERT = Architecture(
    ("modernbert",),
    blocks=("layers",),
    attention=(Attention({"attn.Wqkv": "q|k|v"}, output="attn.Wo", kv_heads=None),),
    mlp=(Mlp(("mlp.Wi",), output="mlp.Wo", fused=2),),
)


def _t5_attention(path: str) -> Attention:
    inputs = {f"{path}.q": "q", f"{path}.k": "k", f"{path}.v": "v"}
    return Attention(inputs, output=f"{path}.o", heads="num_heads", kv_heads=None)


def _t5_mlps(path: str) -> tuple[Mlp, Mlp]:
    gated = (f"{path}.wi_0", f"{path}.wi_1")
    plain = Mlp((f"{path}.wi",), output=f"{path}.wo", neurons="d_ff")
    return plain, Mlp(gated, output=f"{path}.wo", neurons="d_ff")


T5 = Architecture(
    ("t5", "mt5"),
    blocks=("encoder.block", "decoder.block"),
    attention=(_t5_attention("layer.0.SelfAttention"), _t5_attention("layer.1.EncDecAttention")),
    mlp=(*_t5_mlps("layer.1.DenseReluDense"), *_t5_mlps("layer.2.DenseReluDense")),
    position_bias=("layer.0.SelfAttention.compute_bias",),
)

ENCODERS = (BERT, MODERNBERT, T5)
