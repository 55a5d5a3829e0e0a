"""The names under which models keep attentions, MLPs and state-space layers: candidates for a block, likeliest first.

A candidate is a guess: `probing` proves it on the model itself before it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from torch import nn
from transformers.pytorch_utils import Conv1D

from gradmask.partitioning.architectures.declaration import Attention, Experts, Mlp

SEPARATE = (
    ("q_proj", "k_proj", "v_proj"),
    ("query", "key", "value"),
    ("self.query", "self.key", "self.value"),
    ("self.query_proj", "self.key_proj", "self.value_proj"),
    ("query_proj", "key_proj", "value_proj"),
    ("q", "k", "v"),
    ("q_lin", "k_lin", "v_lin"),
    ("wq", "wk", "wv"),
    ("to_q", "to_k", "to_v"),
    ("attn.q", "attn.k", "attn.v"),
    ("linear_q", "linear_k", "linear_v"),
    ("Wq", "Wk", "Wv"),
    ("project_q", "project_k", "project_v"),
    ("q_proj.linear", "k_proj.linear", "v_proj.linear"),
)
"""Query, key and value, each in a layer of its own."""

FUSED = (
    "qkv_proj",
    "query_key_value",
    "c_attn",
    "Wqkv",
    "qkv",
    "self.Wqkv",
    "att_proj",
    "wqkv",
    "W_pack",
    "self_attn_qkv",
)
"""Query, key and value in one layer."""

LATENT = (("q_b_proj", "kv_b_proj"), ("q_proj", "kv_b_proj"), ("wq_b", "wkv_b"))
"""Queries, and keys and values made from a latent (MLA): rows by head in both."""

SHARED_KEYS = (("q_proj", "k_proj"), ("q_b_proj",), ("q_proj",), ("query",))
"""Queries, and keys that are values too, or keys and values that come from elsewhere."""

OUTPUTS = (
    "o_proj",
    "out_proj",
    "dense",
    "output.dense",
    "c_proj",
    "o",
    "out_lin",
    "proj",
    "wo",
    "Wo",
    "out",
    "to_out.0",
    "attn_out",
    "linear_out",
    "o_b_proj",
    "fc_out",
    "attention_out",
    "o_proj.linear",
    "output",
)
"""What writes attention to the residual stream, beside its inputs."""

STATE_HEADS = ("mamba_n_heads", "mamba_num_heads", "n_mamba_heads", "num_heads")
DELTA_HEADS = ("linear_num_value_heads", "linear_num_key_heads")
"""Fields that count heads of state-space layers, and value and key heads of delta nets."""

HEADS = ("num_attention_heads", "num_heads", "n_heads", "n_head", "num_attn_heads")
"""Fields of a config, or attributes of an attention, that count query heads."""

KV_HEADS = ("num_key_value_heads", "num_kv_heads", "num_key_value_heads_per_layer")

MLPS: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]], ...] = (
    (("gate_proj", "up_proj"), ("down_proj",), (1,)),
    (("gate_up_proj",), ("down_proj",), (2,)),
    (("w1", "w3"), ("w2",), (1,)),
    (("w1", "w2"), ("w3", "c_proj", "fc_out"), (1,)),
    (("wi_0", "wi_1"), ("wo",), (1,)),
    (("wi",), ("wo",), (1,)),
    (("Wi",), ("Wo",), (2, 1)),
    (("input_linear",), ("output_linear",), (2, 1)),
    (("fc1_g", "fc1_x"), ("fc2",), (1,)),
    (("gate", "fc1"), ("fc2",), (1,)),
    (("fc1",), ("fc2",), (1, 2)),
    (("c_fc", "c_fc2"), ("c_proj",), (1,)),
    (("c_fc_0", "c_fc_1"), ("c_proj",), (1,)),
    (("c_fc",), ("c_proj",), (1, 2)),
    (("dense_h_to_4h",), ("dense_4h_to_h",), (1, 2)),
    (("intermediate.dense",), ("output.dense",), (1, 2)),
    (("up_proj",), ("down_proj",), (1, 2)),
    (("lin1",), ("lin2",), (1,)),
    (("fc_in",), ("fc_out",), (1,)),
    (("linear1", "linear_gate"), ("linear2",), (1,)),
    (("linear1",), ("linear2",), (1,)),
    (("linear_1",), ("linear_2",), (1, 2)),
    (("linear_fc1",), ("linear_fc2",), (1, 2)),
    (("linear_in",), ("linear_out",), (1, 2)),
    (("up_gated_layer",), ("down_layer", "wo"), (2,)),
    (("gated_layers",), ("wo",), (2,)),
    (("layer_1",), ("layer_2",), (1,)),
    (("ffn",), ("ffn_output",), (1,)),
    (("w_in",), ("w_out",), (1, 2)),
    (("w_0",), ("w_out",), (1,)),
    (("wi", "wg"), ("wo",), (1,)),
    (("proj_up_gate", "proj_up"), ("proj_down",), (1,)),
    (("proj_up",), ("proj_down",), (1,)),
    (("up",), ("down",), (1,)),
    (("in_layer",), ("out_layer",), (1,)),
    (("linear_x", "linear_y"), ("linear_out",), (1,)),
    (("w0", "w1"), ("w2",), (1,)),
    (("fc1",), ("fc_out",), (1,)),
    (("ff1",), ("ff2",), (1,)),
    (("dense1",), ("dense2",), (1,)),
    (("dense_in",), ("dense_out",), (1,)),
    (("0",), ("2", "3"), (1,)),
    (("1",), ("3", "4"), (1,)),
    (("w_in.w_0", "w_in.w_1"), ("w_out",), (1,)),
    (("intermediate",), ("output",), (1,)),
    (("key",), ("value",), (1,)),
    (("in_proj",), ("out_proj",), (1, 2, 3)),
)
"""Inputs, outputs beside them, and how many rows a neuron has in each input."""

EXPERTS = (
    ("experts", "gate"),
    ("experts", "router"),
    ("experts", "router.gate"),
    ("experts", "router.proj"),
    ("experts", "router.layer"),
)


def attentions(block: nn.Module) -> Iterator[Attention]:
    """Attentions that the names of a block's modules suggest."""
    for parent in _parents(block):
        yield from _state_space(parent, block)
        yield from _delta_net(parent, block)
        for inputs in (*_separate(parent, block), *_fused(parent, block)):
            output = _first(block, parent, OUTPUTS, inputs)
            for path in output:
                yield from _counted(Attention(inputs, path, kv_heads=None))


def _state_space(parent: str, block: nn.Module) -> Iterator[Attention]:
    """Heads of a state-space layer (Mamba 2): rows of gate, input and step; the state's inputs belong to no head."""
    into, out = _join(parent, "in_proj"), _join(parent, "out_proj")
    if not (_is_linear(block, into) and _is_linear(block, out)):
        return
    rows, inner = _size(block, into, 0), _size(block, out, 1)
    for name in STATE_HEADS:
        heads = getattr(_module(block, parent) if parent else block, "num_heads", 0)
        rest = rows - 2 * inner - heads if type(heads) is int else 0
        if rest > 0:
            packing = f"h{inner}|h{inner}|_{rest}|h{heads}"
            yield Attention({into: packing}, out, heads=name, kv_heads=None)


def _delta_net(parent: str, block: nn.Module) -> Iterator[Attention]:
    """Heads of a gated delta net (Qwen3-Next, Qwen3.5): value heads, some of which share the queries and keys of one."""
    names = ("in_proj_qkvz", "in_proj_ba", "in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a", "out_proj")
    mixed, gates, apart, z, b, a, out = (_join(parent, name) for name in names)
    values, keys = DELTA_HEADS
    if all(_is_linear(block, path) for path in (mixed, gates, out)):
        yield Attention({mixed: "g", gates: "g"}, out, heads=values, kv_heads=keys)
    if all(_is_linear(block, path) for path in (apart, z, b, a, out)):
        value = _size(block, out, 1)
        key = (_size(block, apart, 0) - value) // 2
        packings = {apart: f"g{key}|g{key}|h{value}", z: "h", b: "h", a: "h"}
        yield Attention(packings, out, heads=values, kv_heads=keys)


def _size(block: nn.Module, path: str, dim: int) -> int:
    module = _module(block, path)
    weight = module._parameters["weight"] if module is not None else None
    assert weight is not None
    return weight.shape[1 - dim if isinstance(module, Conv1D) else dim]


def _counted(spec: Attention) -> Iterator[Attention]:
    """With every name for the number of heads, and with keys and values counted by shape or by name."""
    by_group = "g" in spec.inputs.values()
    for heads in HEADS:
        for kv in KV_HEADS if by_group else (None, *(KV_HEADS if "(q*kv)" in spec.inputs.values() else ())):
            yield replace(spec, heads=heads, kv_heads=kv)


def _separate(parent: str, block: nn.Module) -> Iterator[dict[str, str]]:
    for names in SEPARATE:
        paths = [_join(parent, name) for name in names]
        if all(_is_linear(block, path) for path in paths):
            for packings in (("q", "k", "v"), ("h", "k", "v"), ("h", "g", "g")):
                yield dict(zip(paths, packings, strict=True))
    for names in LATENT:
        paths = [_join(parent, name) for name in names]
        if all(_is_linear(block, path) for path in paths):
            yield dict.fromkeys(paths, "h")
    for names in SHARED_KEYS:
        paths = [_join(parent, name) for name in names]
        if all(_is_linear(block, path) for path in paths):
            yield dict(zip(paths, ("h", "g"), strict=False))


def _fused(parent: str, block: nn.Module) -> Iterator[dict[str, str]]:
    for name in FUSED:
        path = _join(parent, name)
        if _is_linear(block, path):
            for packing in ("q|k|v", "(q*kv)", "(qkv)"):
                yield {path: packing}


def mlps(block: nn.Module) -> Iterator[Mlp]:
    """MLPs that the names of a block's modules suggest, and layers that are cut like one (state-space channels)."""
    for parent in _parents(block):
        for names, outputs, copies in MLPS:
            inputs = tuple(_join(parent, name) for name in names)
            if not all(_is_linear(block, path) for path in inputs):
                continue
            for output in _first(block, parent, outputs, inputs):
                for fused in copies:
                    yield Mlp(inputs, output, fused)


def experts(block: nn.Module) -> Iterator[Experts]:
    """Fused experts with their routers."""
    for parent in _parents(block):
        for module, router in EXPERTS:
            paths = _join(parent, module), _join(parent, router)
            held, routing = (_module(block, path) for path in paths)
            weight = routing._parameters.get("weight") if routing is not None else None
            if held is None or weight is None or not held._parameters:
                continue
            counted = [p for p in held._parameters.values() if p is not None and p.dim() == 3 and len(p) == len(weight)]
            if counted and "down_proj" in held._parameters:
                yield Experts(paths[0], router=paths[1])


def _parents(block: nn.Module) -> list[str]:
    return [path for path, _ in block.named_modules()]


def _first(
    block: nn.Module, parent: str, names: Sequence[str], inputs: Mapping[str, str] | Sequence[str]
) -> Iterator[str]:
    paths = [_join(parent, name) for name in names]
    yield from (path for path in paths if path not in inputs and _is_linear(block, path))


def _join(parent: str, name: str) -> str:
    return f"{parent}.{name}" if parent else name


def _module(block: nn.Module, path: str) -> nn.Module | None:
    module: nn.Module | None = block
    for part in path.split("."):
        module = module._modules.get(part) if module is not None else None
    return module


def _is_linear(block: nn.Module, path: str) -> bool:
    return isinstance(_module(block, path), (nn.Linear, Conv1D))
