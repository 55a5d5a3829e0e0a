"""Declarations: all of them are tested, wrong ones are refused in words, missing ones can be inferred."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

import gradmask as gm
from contract.cases import BY_NAME, DECLARED, HEADS, Case, batch, build, logits, total_loss
from contract.oracle import check, everything_in_double, example_gradients
from gradmask.partitioning import architecture_of
from gradmask.partitioning.architectures import registry
from gradmask.partitioning.architectures.finding import find_sites
from gradmask.partitioning.architectures.inference import infer
from gradmask.partitioning.architectures.sites import AttentionSite, MlpSite

LLAMA = BY_NAME["llama"]


def test_every_declared_model_type_is_in_the_contract() -> None:
    assert {case.model_type for case in DECLARED} == set(gm.supported())


@pytest.mark.parametrize("case", DECLARED, ids=str)
def test_every_block_is_covered(case: Case) -> None:
    model = build(case)
    places = {(site.layer, site.unit) for site in find_sites(model, architecture_of(model))}
    layers = range(2 * (1 + (case.kind == "seq2seq")))
    assert {layer for layer, unit in places if unit == "heads"} == set(layers)
    assert {layer for layer, unit in places if unit != "heads"} == set(layers)


@pytest.mark.parametrize("case", [case for case in DECLARED if case.model_type != "falcon"], ids=str)
def test_what_shapes_and_proofs_infer_is_what_is_declared(case: Case) -> None:
    model = build(case).train()
    values = {name: p.detach().clone() for name, p in model.named_parameters()}
    found = infer(model)
    assert units(model, found) == units(model, architecture_of(model))
    assert model.training
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, values[name]), name


def units(model: PreTrainedModel, architecture: gm.Architecture) -> set[tuple[str, tuple[int, ...]]]:
    """What the first key-value group, or the first neuron, of every site owns."""
    found = set()
    for site in find_sites(model, architecture):
        if isinstance(site, (AttentionSite, MlpSite)):
            first = list(range(site.repeats)) if isinstance(site, AttentionSite) else [0]
            found |= {(p.name, tuple(sorted(site.positions(p, first)))) for p in (*site.projections, *site.entries)}
    return found


UNDECLARED = (
    Case("bloom", "bloom", config={"n_head": HEADS, "n_layer": 2}),
    Case("mpt", "mpt", config={"d_model": 48, "n_heads": HEADS, "n_layers": 2, "expansion_ratio": 1}),
    Case("olmo3", "olmo3"),
    Case("apertus", "apertus"),
    Case("albert", "albert", "masked", {"embedding_size": 32}),
)


@pytest.mark.parametrize("case", UNDECLARED, ids=str)
def test_an_undeclared_architecture_is_recognised_and_exact(case: Case, tmp_path: Any) -> None:
    model, inputs, labels = build(case), batch(case), ["forget", "retain", "unlabeled"]
    assert case.model_type not in gm.supported()
    gm.partition(model, {"forget": gm.Slice(heads=2, neurons=4)})
    model.save_pretrained(tmp_path)
    back = gm.load(tmp_path)  # the declaration is in the checkpoint
    assert back.gradmask.cut.architecture == model.gradmask.cut.architecture
    assert torch.equal(logits(back, inputs, data_labels="retain"), logits(model, inputs, data_labels="retain"))
    model.double().train()
    with everything_in_double():
        total_loss(case, model, inputs, data_labels=labels).backward()
        expected = example_gradients(case, model, inputs, labels)
    check(model, expected)


def test_inference_refuses_what_it_cannot_see_through() -> None:
    falcon = build(BY_NAME["falcon-grouped"])  # its linear layers have a forward pass of their own
    with pytest.raises(gm.GradmaskError, match="found no attention and no MLP in the blocks of FalconForCausalLM"):
        gm.partition(falcon, architecture="infer")
    broken = build(LLAMA)
    broken.model.norm = nn.LayerNorm(7)
    with pytest.raises(gm.GradmaskError, match="runs LlamaForCausalLM on a few tokens .* declare it"):
        gm.partition(broken, architecture="infer")


def test_labels_per_token_are_refused_where_there_are_two_sequences() -> None:
    case = BY_NAME["t5"]
    model, inputs = gm.partition(build(case), {"forget": gm.Slice(neurons=4)}), batch(case)
    with pytest.raises(gm.GradmaskError, match="T5ForConditionalGeneration reads two sequences"):
        model(**inputs, data_labels=torch.zeros(3, 5, dtype=torch.long))


def test_padding_of_an_encoder_is_not_padding_of_a_decoder() -> None:
    case = BY_NAME["t5"]
    model, inputs = gm.partition(build(case), {"forget": gm.Slice(neurons=4)}), batch(case, length=5)
    mask = torch.ones_like(inputs["input_ids"])
    mask[:, 3:] = 0
    found = model(**inputs, attention_mask=mask, data_labels="unlabeled").loss
    assert torch.equal(found, build(case)(**inputs, attention_mask=mask).loss)


ATTENTION = {"self_attn.q_proj": "q", "self_attn.k_proj": "k", "self_attn.v_proj": "v"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"blocks": ("layer",)}, "LlamaForCausalLM has no list of blocks at 'model.layer'"),
        ({"attention": (gm.Attention(ATTENTION, "self_attn.out_proj"),)}, r"names \['self_attn.out_proj'\], which no"),
        ({"attention": (gm.Attention({"self_attn.query": "q"}, "self_attn.o_proj"),)}, "lacks .'self_attn.query'"),
        ({"attention": (gm.Attention(ATTENTION, "self_attn.o_proj", heads="n_head"),)}, "config says n_head=None"),
        (
            {"attention": (gm.Attention({"self_attn.k_proj": "q"}, "self_attn.o_proj"),)},
            "has 24 output rows; its packing",
        ),
        ({"attention": (gm.Attention({"self_attn.q_proj": "kqv"}, "self_attn.o_proj"),)}, "unknown packing 'kqv'"),
        ({"mlp": (gm.Mlp(("mlp.up_proj",), "mlp.down_proj", fused=2),)}, "40 units with 2 row"),
        ({"mlp": (gm.Mlp(("mlp.act_fn",), "mlp.down_proj"),)}, "act_fn is SiLU.*, and a group can only be cut out of"),
        ({"attention": (), "mlp": ()}, "needs model_types, blocks, and at least one"),
    ],
)
def test_a_wrong_declaration_is_refused_in_words(fields: dict[str, Any], message: str) -> None:
    declared = dataclasses.replace(registry._registry["llama"], model_types=("llama",), **fields)
    model = build(LLAMA)
    with pytest.raises(gm.GradmaskError, match=message):
        gm.partition(model, architecture=declared)
    assert not gm.is_partitioned(model)


def test_a_linear_layer_with_arithmetic_of_its_own_is_refused() -> None:
    class Quantized(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return super().forward(input).round()

    model = build(LLAMA)
    model.model.layers[1].mlp.up_proj.__class__ = Quantized
    with pytest.raises(gm.GradmaskError, match="layers.1.mlp.up_proj is Quantized, a linear layer with a forward pass"):
        gm.partition(model)


def test_something_else_than_an_architecture_is_refused() -> None:
    with pytest.raises(gm.GradmaskError, match="architecture must be a gm.Architecture, got str"):
        gm.partition(build(LLAMA), architecture="guess")  # type: ignore[arg-type]


def test_both_attentions_of_a_block_have_names_of_their_own() -> None:
    model = gm.partition(build(BY_NAME["t5"]), {"forget": gm.Slice(heads=1)})
    sites = [name for name in model.gradmask.cut.units if name.startswith("decoder.block.1.") and "/heads" in name]
    assert sites == ["decoder.block.1.layer.0.SelfAttention/heads", "decoder.block.1.layer.1.EncDecAttention/heads"]
