"""Mixtures of experts: a group may own whole experts and their router rows."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

import gradmask as gm
from gradmask.partitioning.kernel.route import Route
from gradmask.partitioning.kernel.token_mask import TokenWeights
from gradmask.partitioning.owned.experts import TokenClass, _one_class
from tiny import VOCABULARY, tiny, tokens

COMMON: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 24,
    "vocab_size": VOCABULARY,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "num_experts_per_tok": 2,
    "max_position_embeddings": 64,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "mixtral": {"num_local_experts": 4},
    "qwen3_moe": {"num_experts": 4, "moe_intermediate_size": 16, "head_dim": 8, "mlp_only_layers": [1]},
    "olmoe": {"num_experts": 4},
}


def plain(model_type: str) -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **COMMON, **CONFIGS[model_type])
    config._experts_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def cut(model: PreTrainedModel, **fields: Any) -> PreTrainedModel:
    neurons = 4 if model.config.model_type == "qwen3_moe" else 0  # its second block is dense
    return gm.partition(model, {"forget": gm.Slice(heads=2, experts=1, neurons=neurons)}, **fields)


def trained(model_type: str) -> tuple[PreTrainedModel, torch.optim.Optimizer]:
    model = cut(plain(model_type)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    for label in ("unlabeled", ["forget", "retain", "unlabeled"]):
        step(model, optimizer, label)
    return model, optimizer


def step(model: PreTrainedModel, optimizer: torch.optim.Optimizer, label: Any) -> None:
    ids = tokens()
    model(input_ids=ids, labels=ids, data_labels=label).loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def logits(model: PreTrainedModel, **inputs: Any) -> torch.Tensor:
    model.config._experts_implementation = "eager"
    with torch.no_grad():
        return model.eval()(tokens(), **inputs).logits


@pytest.mark.parametrize("model_type", CONFIGS)
def test_partition_changes_nothing_and_can_be_undone(model_type: str) -> None:
    original = plain(model_type)
    model = cut(copy.deepcopy(original))
    assert torch.equal(logits(model), logits(original))
    assert list(model.state_dict()) == list(original.state_dict())
    assert gm.groups(model)["forget"]["model.layers.0.mlp.experts.down_proj_forget"].shape[0] == 1
    assert gm.groups(model)["forget"]["model.layers.0.mlp.gate.weight_forget"].shape == (1, 32)
    gm.unpartition(model)
    assert [n for n, _ in model.named_parameters()] == [n for n, _ in original.named_parameters()]
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), original.parameters(), strict=True))


@pytest.mark.parametrize("model_type", CONFIGS)
@pytest.mark.parametrize("label", ["forget", "retain"])
def test_frozen_by_the_bit_and_the_others_move(model_type: str, label: str) -> None:
    model, optimizer = trained(model_type)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    step(model, optimizer, label)
    for group, members in gm.groups(model).items():
        for name, parameter in members.items():
            assert torch.equal(parameter, before[name]) == (group != label), name


@pytest.mark.parametrize("model_type", CONFIGS)
def test_removal_and_checkpoints(model_type: str, tmp_path: Path) -> None:
    model, _ = trained(model_type)
    full, retain = logits(model), logits(model, data_labels="retain")
    assert not torch.equal(full, retain)
    model.save_pretrained(tmp_path / "saved")
    gm.export(model, tmp_path / "without", without=["forget"])
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "saved")), full)
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "without")), retain)
    back = gm.load(tmp_path / "saved")
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), back.parameters(), strict=True))
    gm.ablate(model)
    assert torch.equal(logits(model), retain)


@pytest.mark.parametrize("labels", [[1, 0, -1], [0, 1, 1], [[1, 0, -1] * 3, [0] * 9, [-1] * 9]])
@pytest.mark.parametrize("model_type", CONFIGS)
def test_mixed_labels_in_one_pass(model_type: str, labels: list[Any]) -> None:
    """Per example against separate passes; per token: what no token teaches is frozen, and labels of a kind agree."""
    model, _ = trained(model_type)
    model = model.double().train()
    ids, given = tokens(), torch.tensor(labels)

    def backward(rows: list[int], label: Any) -> None:
        out = model(ids[rows], data_labels=label).logits[:, :-1]
        F.cross_entropy(out.flatten(0, 1), ids[rows][:, 1:].flatten(), reduction="sum").backward()

    backward([0, 1, 2], given)
    found = {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()}
    if given.dim() == 2:
        assert all(grad is not None for grad in found.values())
        return
    model.zero_grad()
    for row, label in enumerate(labels):
        backward([row], label)
    for name, parameter in model.named_parameters():
        grad = found[name]
        assert (parameter.grad is None) == (grad is None)
        if grad is not None and parameter.grad is not None:
            assert (parameter.grad - grad).norm() <= 1e-12 * parameter.grad.norm(), name


def test_strength_scales_what_experts_write() -> None:
    model, _ = trained("mixtral")
    full = logits(model)
    gm.strength(model, forget=0.5)
    assert not torch.equal(logits(model), full)
    gm.strength(model, forget=1.0)
    assert torch.equal(logits(model), full)


def test_more_experts_than_there_are_is_refused() -> None:
    with pytest.raises(gm.GradmaskError, match="has 4 experts, but the groups ask for 5"):
        gm.partition(plain("mixtral"), {"forget": gm.Slice(experts=5)})
    with pytest.raises(gm.GradmaskError, match="asks for experts of a model which has none"):
        gm.partition(tiny(), {"forget": gm.Slice(experts=1)})


def test_weights_of_a_class_of_tokens_lie_where_its_rows_do() -> None:
    """As on a GPU, while tensors are made on the CPU by default: the meta device stands for it."""
    chosen = TokenClass(torch.arange(3, device="meta"), {"forget": 1.0}, {"forget": 0.5})
    module: Any = SimpleNamespace(gradmask_context=SimpleNamespace(route=Route()))
    weights = _one_class(module, chosen).learn("forget")
    assert isinstance(weights, TokenWeights)
    assert weights.factors((3,)).is_meta
