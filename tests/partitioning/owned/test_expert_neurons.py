"""Mixtures of experts: a group may own hidden neurons inside every expert."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

import gradmask as gm
from tiny import VOCABULARY, tokens

SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "intermediate_size": 12,
    "vocab_size": VOCABULARY,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "num_experts_per_tok": 2,
    "max_position_embeddings": 64,
}
PAIRS = [6, 7, 10, 11]
"""Rows of gate and up of neurons 3 and 5, where they are interleaved."""
HALVES = [3, 5, 15, 17]
ROPE = {"rope_type": "default", "rope_theta": 10000.0}
CONFIGS: dict[str, dict[str, Any]] = {
    "mixtral": {"num_local_experts": 4},
    "qwen3_moe": {"num_experts": 4, "moe_intermediate_size": 12},
    "gpt_oss": {"num_local_experts": 4, "rope_parameters": ROPE},
    "llama4_text": {"num_local_experts": 4, "num_experts_per_tok": 1, "interleave_moe_layer_step": 1},
}
OWNED: dict[str, dict[str, tuple[int, list[int]]]] = {
    "mixtral": {"gate_up_proj": (1, HALVES), "down_proj": (2, [3, 5])},
    "qwen3_moe": {"gate_up_proj": (1, HALVES), "down_proj": (2, [3, 5])},
    "gpt_oss": {"gate_up_proj": (2, PAIRS), "gate_up_proj_bias": (1, PAIRS), "down_proj": (1, [3, 5])},
    "llama4_text": {"gate_up_proj": (2, HALVES), "down_proj": (1, [3, 5])},
}
"""Model type -> parameter of its experts -> dimension and positions of neurons 3 and 5, as its own code has them."""
every_type = pytest.mark.parametrize("model_type", CONFIGS)


def plain(model_type: str) -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **{**SIZES, **CONFIGS[model_type]})
    config._experts_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def experts_in(model: nn.Module) -> nn.Module:
    return next(module for path, module in model.named_modules() if path.endswith(".experts"))


def cut(model: PreTrainedModel, **others: Any) -> PreTrainedModel:
    return gm.partition(model, {"forget": gm.Slice(expert_neurons=[3, 5], **others)})


def logits(model: PreTrainedModel, **inputs: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(tokens(), **inputs).logits


@every_type
def test_a_group_owns_what_the_models_code_computes_its_neurons_with(model_type: str) -> None:
    original, model = plain(model_type), cut(plain(model_type))
    assert torch.equal(logits(model), logits(original))
    whole = experts_in(original)
    owned = {n.rpartition(".")[2]: p for n, p in gm.groups(model)["forget"].items()}
    assert {name.removesuffix("_forget") for name in owned} == set(OWNED[model_type])
    for name, (dim, positions) in OWNED[model_type].items():
        expected = getattr(whole, name).index_select(dim, torch.tensor(positions))
        assert torch.equal(owned[f"{name}_forget"], expected), name
    assert model.gradmask.cut.units["model.layers.0/expert_neurons"] == {"forget": [3, 5]}


@every_type
def test_without_its_neurons_a_model_is_one_that_lacks_them(model_type: str) -> None:
    """Against the plain model whose columns are zero, and whose rows are anything."""
    original, model = plain(model_type), cut(plain(model_type))
    whole = experts_in(original)
    with torch.no_grad():
        for name, (dim, positions) in OWNED[model_type].items():
            zero = name == "down_proj"
            part = getattr(whole, name).index_select(dim, torch.tensor(positions))
            value = torch.zeros_like(part) if zero else torch.randn_like(part)
            getattr(whole, name).index_copy_(dim, torch.tensor(positions), value)
    lacking, full = logits(original), logits(model)
    assert torch.equal(logits(model, data_labels="retain"), lacking)
    assert not torch.equal(full, lacking)
    gm.ablate(model)
    assert torch.equal(logits(model), lacking)


@pytest.mark.parametrize("model_type", ["gpt_oss", "llama4_text"])
def test_the_whole_contract_holds_on_the_model(model_type: str) -> None:
    model = cut(plain(model_type), experts=1, heads=1, query_only=True)
    report = gm.check(model, {"input_ids": tokens(), "labels": tokens()})
    assert not report.failures, report


def test_whole_experts_and_neurons_of_the_others_come_back_from_disk(tmp_path: Path) -> None:
    groups = {"a": gm.Slice(experts=1, expert_neurons=2), "b": gm.Slice(expert_neurons=1)}
    model = gm.partition(plain("mixtral"), groups)
    full = logits(model)
    model.save_pretrained(tmp_path / "saved")
    back = gm.load(tmp_path / "saved", experts_implementation="eager")
    assert [n for n, _ in back.named_parameters()] == [n for n, _ in model.named_parameters()]
    assert all(map(torch.equal, model.parameters(), back.parameters()))
    assert torch.equal(
        logits(AutoModelForCausalLM.from_pretrained(tmp_path / "saved", experts_implementation="eager")), full
    )
    for gone in (["a"], ["b"], ["a", "b"]):
        path = gm.export(back, tmp_path / "_".join(gone), without=gone)
        with gm.without(model, *gone):
            removed = logits(model)
        opened = AutoModelForCausalLM.from_pretrained(path, experts_implementation="eager")
        assert opened.config.num_local_experts == (3 if "a" in gone else 4)
        assert torch.equal(logits(opened), removed)
        assert gm.verify(path).ok
    original = plain("mixtral")
    gm.unpartition(back)
    assert all(map(torch.equal, back.parameters(), original.parameters()))


def test_a_manifest_mentions_them_only_where_there_are_some() -> None:
    entry = cut(plain("mixtral")).gradmask.manifest().groups["forget"]
    assert entry.slice() == gm.Slice(expert_neurons=[3, 5])


def test_half_strength_is_half_of_what_they_write() -> None:
    original, model = plain("gpt_oss"), cut(plain("gpt_oss"), experts=[3])
    gm.strength(model, forget=0.5)
    with torch.no_grad():
        experts_in(original).down_proj[3] *= 0.5
        experts_in(original).down_proj_bias[3] *= 0.5
        experts_in(original).down_proj[:3, [3, 5]] *= 0.5
    assert torch.equal(logits(model), logits(original))


def test_what_cannot_be_had_is_refused_by_name() -> None:
    asked = {"a": gm.Slice(experts=[0, 1, 2, 3]), "b": gm.Slice(expert_neurons=1)}
    with pytest.raises(gm.GradmaskError, match="own all 4 experts whole"):
        gm.partition(plain("mixtral"), asked, silent_experts="zeros")
    with pytest.raises(gm.GradmaskError, match="cannot be added"):
        gm.partition(plain("mixtral"), {"forget": gm.Slice(expert_neurons=2, new=True)})
    with pytest.raises(gm.GradmaskError, match="has 12 expert_neurons, but the groups ask for 13"):
        gm.partition(plain("mixtral"), {"forget": gm.Slice(expert_neurons=13)})
    with pytest.raises(gm.GradmaskError, match="expert_neurons"):
        gm.partition(plain("mixtral"), {"forget": gm.Slice(neurons=2)})
    with pytest.raises(gm.GradmaskError, match="which are joint"):
        gm.partition(plain("mixtral"), {"forget": gm.Slice(expert_neurons=2)}, joint=["*.down_proj"])


def test_experts_that_mix_their_neurons_are_refused_and_unharmed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = plain("gpt_oss")
    before = copy.deepcopy(model.state_dict())
    experts_in(model).is_concatenated = True  # type: ignore[assignment]
    with pytest.raises(gm.GradmaskError, match="mixes the neurons inside its experts"):
        cut(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
