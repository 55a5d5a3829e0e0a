"""Models whose type nobody declared: found by names or by shape, proven on the model, gradients included."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MambaConfig, MambaForCausalLM, PreTrainedModel

import gradmask as gm
from gradmask.partitioning import find_architecture
from gradmask.partitioning.architectures.inference import find
from sweep.tiny_models import build


def llama(heads: int = 4, kv_heads: int = 2, **fields: float) -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"vocab_size": 64, "hidden_size": 8 * heads, "intermediate_size": 24, "num_hidden_layers": 1}
    heads_of = {"num_attention_heads": heads, "num_key_value_heads": kv_heads}
    return LlamaForCausalLM(LlamaConfig(**{**sizes, **heads_of, **fields}))  # type: ignore[arg-type]


def words(architecture: gm.Architecture) -> set[str]:
    """Every path with what it holds."""
    attentions = [f"{path}={packing}" for a in architecture.attention for path, packing in a.inputs.items()]
    mlps = [
        f"{','.join(m.inputs)}*{m.fused}{' mixed' if m.mixes_neurons else ''}->{m.output}" for m in architecture.mlp
    ]
    return {*attentions, *mlps, *(e.module for e in architecture.experts)}


SEPARATE = {"self_attn.q_proj=q", "self_attn.k_proj=k", "self_attn.v_proj=v"}
GATED = {"mlp.gate_proj,mlp.up_proj*1->mlp.down_proj"}


@pytest.mark.parametrize(("heads", "kv_heads"), [(24, 8), (16, 8), (9, 3), (6, 3), (4, 4), (4, 1)])
@pytest.mark.parametrize("by_name", [True, False], ids=["names", "shapes"])
def test_grouped_heads_are_found_in_training_mode_with_dropout(heads: int, kv_heads: int, by_name: bool) -> None:
    model = llama(heads, kv_heads, attention_dropout=0.5).train()
    model.model.layers[0].mlp.eval()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    state = torch.get_rng_state()
    assert words(find(model, by_shape=True, by_name=by_name)) == SEPARATE | GATED
    assert [m.training for m in (model, model.model.layers[0].self_attn, model.model.layers[0].mlp)] == [
        True,
        True,
        False,
    ]
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("by_name", [True, False], ids=["names", "shapes"])
def test_an_mlp_with_as_many_rows_as_an_attention_is_none(by_name: bool) -> None:
    assert words(find(llama(4, 2, intermediate_size=48), by_shape=True, by_name=by_name)) == SEPARATE | GATED


RECOGNISED = {
    "qwen3_next": {
        "self_attn.q_proj=h",
        "mlp.experts",
        "mlp.shared_expert.gate_proj,mlp.shared_expert.up_proj*1->mlp.shared_expert.down_proj",
    },
    "deepseek_v3": {"self_attn.q_b_proj=h", "self_attn.kv_b_proj=h", "mlp.experts"},
    "lfm2": {"conv.in_proj*3->conv.out_proj", "feed_forward.w1,feed_forward.w3*1->feed_forward.w2"},
    "mamba": {"mixer.in_proj*2 mixed->mixer.out_proj"},
    "bitnet": {"mlp.gate_proj,mlp.up_proj*1 mixed->mlp.down_proj", "self_attn.q_proj=q"},
    "bloom": {"self_attention.query_key_value=(q*kv)"},
}


@pytest.mark.parametrize("model_type", RECOGNISED)
def test_what_a_block_is_made_of_is_recognised(model_type: str) -> None:
    found = find_architecture(build("causal", model_type))
    assert RECOGNISED[model_type] <= words(found)
    assert "self_attn.k_norm" not in found.uncut


@pytest.mark.parametrize("model_type", ["llava", "gemma3", "qwen3_vl", "mistral3"])
def test_the_text_model_inside_a_multimodal_one_is_found(model_type: str) -> None:
    model = build("image-text", model_type)
    assert find_architecture(model).blocks == ("language_model.layers",)
    gm.partition(model, {"forget": gm.Slice(heads=1, neurons=2)})
    assert all("language_model" in name for name in gm.groups(model)["forget"])


def mamba() -> MambaForCausalLM:
    return MambaForCausalLM(
        MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, state_size=2, time_step_rank=4)
    )


def test_a_layer_whose_weight_is_read_past_it_is_not_taken() -> None:
    """Mamba multiplies by ``dt_proj.weight`` itself, so a cut there would compute the same and train the rest."""
    assert words(find(mamba(), by_shape=True)) == {"mixer.in_proj*2 mixed->mixer.out_proj"}
    with pytest.raises(gm.GradmaskError, match="found no attention and no MLP"):
        find(mamba(), by_shape=True, by_name=False)


def test_a_declaration_that_would_leak_gradient_is_refused_and_undone() -> None:
    model = mamba()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    leaking = gm.Architecture(("mamba",), ("layers",), mlp=(gm.Mlp(("mixer.x_proj",), "mixer.dt_proj", fused=2),))
    with pytest.raises(gm.GradmaskError, match=r"mixer.dt_proj.*would learn from what only 'forget' may learn from"):
        gm.partition(model, {"forget": gm.Slice(neurons=2)}, architecture=leaking)
    assert not gm.is_partitioned(model)
    assert all(torch.equal(p, before[name]) and p.grad is None for name, p in model.named_parameters())


def test_what_cannot_be_cut_is_refused_by_name_with_what_can() -> None:
    model: PreTrainedModel = mamba()
    with pytest.raises(gm.GradmaskError, match=r"asks for heads.*which has none.*It has neurons"):
        gm.partition(model, {"forget": gm.Slice(heads=1)})


def test_without_weights_a_small_model_of_the_same_sizes_says_where_units_are() -> None:
    small = build("causal", "qwen3_next")
    spec = {"forget": gm.Slice(heads=2, experts=1, expert_neurons=3)}
    with torch.device("meta"):
        empty = type(small)(small.config)
    with pytest.raises(gm.GradmaskError, match=r"no weights .* partition one with the same sizes and few layers"):
        gm.partition(empty, spec)
    gm.partition(small, spec)
    gm.partition(empty, spec, architecture=small.gradmask.cut.architecture)  # type: ignore[attr-defined]
    sizes = [{n: p.shape for n, p in members.items()} for members in gm.groups(empty).values()]
    assert sizes == [{n: p.shape for n, p in members.items()} for members in gm.groups(small).values()]
    assert {p.device.type for p in empty.parameters()} == {"meta"}
