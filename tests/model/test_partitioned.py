"""The promises of a partitioned model that do not depend on the architecture's details."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import pytest
import torch
from torch import nn
from transformers.utils.generic import find_labels

import gradmask as gm
from tiny import CONFIGS, tiny, tokens

SLICE = gm.Slice(heads=2, neurons=8)
TABLES = gm.Slice(heads=2, neurons=8, embeddings=True)


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)


def step(model: Any, optimizer: torch.optim.Optimizer, label: Any, seed: int = 0) -> float:
    ids = tokens(seed=seed)
    loss = model(input_ids=ids, labels=ids, data_labels=label).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def snapshot(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, tuple[torch.Tensor, ...]]:
    """Each parameter with its optimizer state."""
    return {
        name: (p.detach().clone(), *(v.clone() for v in optimizer.state[p].values() if isinstance(v, torch.Tensor)))
        for name, p in model.named_parameters()
    }


@pytest.mark.parametrize("spec", [SLICE, TABLES], ids=["plain", "own-tables"])
@pytest.mark.parametrize("model_type", CONFIGS)
@pytest.mark.parametrize(("label", "taught"), [("forget", "forget"), ("retain", "retain")])
def test_what_a_batch_does_not_teach_is_unchanged_by_one_bit(
    model_type: str, spec: gm.Slice, label: str, taught: str
) -> None:
    model = gm.partition(tiny(model_type).train(), {"forget": spec})
    optimizer = adamw(model)
    for seed in (1, 2):
        step(model, optimizer, "unlabeled", seed)
    before = snapshot(model, optimizer)
    step(model, optimizer, label, seed=3)
    after = snapshot(model, optimizer)
    for group, members in gm.groups(model).items():
        for name in members:
            unchanged = all(torch.equal(a, b) for a, b in zip(before[name], after[name], strict=True))
            assert unchanged == (group != taught), f"{name} of {group}"


@pytest.mark.parametrize("model_type", CONFIGS)
def test_training_without_labels_is_plain_training_bit_for_bit(model_type: str) -> None:
    plain = tiny(model_type).train()
    model = gm.partition(copy.deepcopy(plain), {"forget": SLICE})
    plain_optimizer, optimizer = adamw(plain), adamw(model)
    for seed in range(3):
        ids = tokens(seed=seed)
        plain(input_ids=ids, labels=ids).loss.backward()
        plain_optimizer.step()
        plain_optimizer.zero_grad()
        step(model, optimizer, "unlabeled", seed)
    gm.unpartition(model)
    for (name, expected), (_, found) in zip(plain.named_parameters(), model.named_parameters(), strict=True):
        assert torch.equal(found, expected), name


@pytest.mark.parametrize("spec", [SLICE, TABLES], ids=["plain", "own-tables"])
@pytest.mark.parametrize("model_type", CONFIGS)
def test_retain_mode_is_the_ablated_model_bit_for_bit(model_type: str, spec: gm.Slice) -> None:
    model = gm.partition(tiny(model_type).train(), {"forget": spec})
    optimizer = adamw(model)
    step(model, optimizer, "unlabeled")
    model.eval()
    ids = tokens()
    with torch.no_grad():
        full, retain = model(ids).logits, model(ids, data_labels="retain").logits
        with gm.without(model, "forget"):
            silent = model(ids).logits
        assert torch.equal(model(ids).logits, full)
        gm.ablate(model, "forget")
        ablated = model(ids).logits
    assert torch.equal(retain, silent)
    assert torch.equal(retain, ablated)
    assert not torch.equal(retain, full)


def test_partition_and_unpartition_leave_nothing_behind() -> None:
    plain = tiny()
    expected, attributes, config = copy.deepcopy(plain.state_dict()), set(vars(plain)), plain.config.to_dict()
    names = [name for name, _ in plain.named_parameters()]
    classes = {path: type(module) for path, module in plain.named_modules()}
    model = gm.partition(plain, {"forget": TABLES}, joint=["norms"])
    assert model is plain
    assert [name for name, _ in model.named_parameters()] != names
    gm.unpartition(model)
    assert [name for name, _ in model.named_parameters()] == names
    assert {path: type(module) for path, module in model.named_modules()} == classes
    assert set(vars(model)) == attributes
    assert model.config.to_dict() == config
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
    for module in model.modules():
        assert not any("gradmask" in key for key in vars(module))
        assert not module._state_dict_hooks


def test_every_parameter_is_in_exactly_one_group() -> None:
    model = gm.partition(tiny(), {"a": SLICE, "b": gm.Slice(neurons=4)}, joint=["norms", "head"])
    found = [name for members in gm.groups(model).values() for name in members]
    assert sorted(found) == sorted(name for name, _ in model.named_parameters())
    assert set(gm.groups(model)["joint"]) == {n for n, _ in model.named_parameters() if "norm" in n or "lm_head" in n}


def test_a_share_of_grouped_query_attention_takes_keys_and_values_along() -> None:
    model = gm.partition(tiny(), {"forget": gm.Slice(heads=1)})
    owned = gm.groups(model)["forget"]
    assert owned["model.layers.0.self_attn.q_proj.weight_forget"].shape == (16, 32)
    assert owned["model.layers.0.self_attn.k_proj.weight_forget"].shape == (8, 32)
    alone = gm.partition(tiny(), {"forget": gm.Slice(heads=1, query_only=True)})
    assert not [name for name in gm.groups(alone)["forget"] if "k_proj" in name or "v_proj" in name]


def test_the_signature_shows_data_labels_on_the_model_only() -> None:
    model = gm.partition(tiny(), {"forget": SLICE})
    assert "data_labels" in inspect.signature(model.forward).parameters
    assert find_labels(type(model)) == ["labels"]


def test_a_copy_is_independent() -> None:
    model = gm.partition(tiny(), {"forget": SLICE}).eval()
    other, ids = copy.deepcopy(model), tokens()
    with gm.without(other, "forget"), torch.no_grad():
        assert not torch.equal(other(ids).logits, model(ids).logits)
    gm.ablate(other)
    with torch.no_grad():
        assert not torch.equal(other(ids).logits, model(ids).logits)


def test_coverage_says_what_each_group_owns() -> None:
    text = gm.coverage(gm.partition(tiny(), {"forget": SLICE}))
    count = sum(p.numel() for p in gm.groups(gm.partition(tiny(), {"forget": SLICE}))["forget"].values())
    assert f"{count:,}" in next(line for line in text.splitlines() if line.startswith("forget"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"groups": {}}, "groups is empty"),
        ({"groups": {"retain": SLICE}}, "'retain' cannot name a removable group"),
        ({"groups": {"a.b": SLICE}}, "'a.b' cannot name a removable group"),
        ({"groups": {"forget": 3}}, "needs a gm.Slice or a gm.Adapter, got int"),
        ({"groups": {"forget": gm.Slice(heads=9)}}, "has 4 heads, but the groups ask for 10"),
        ({"groups": {"forget": gm.Slice(heads=[0])}}, "share their keys and values with heads outside"),
        ({"groups": {"forget": gm.Slice(neurons=4, layers=[5])}}, "names layers .5., but the model has layers 0 to 1"),
        ({"joint": ["embedings"]}, "'embedings' matches no parameter of this model. Did you mean 'embeddings'"),
        ({"policy": "sgmt"}, "unknown policy 'sgmt'. Did you mean 'sgtm'"),
    ],
)
def test_a_wrong_partition_is_refused_and_changes_nothing(fields: dict[str, Any], message: str) -> None:
    model = tiny()
    names = [name for name, _ in model.named_parameters()]
    with pytest.raises(gm.GradmaskError, match=message):
        gm.partition(model, **{"groups": {"forget": SLICE}, **fields})
    assert [name for name, _ in model.named_parameters()] == names
    assert not gm.is_partitioned(model)


def test_twice_and_on_something_else() -> None:
    model = gm.partition(tiny(), {"forget": SLICE})
    with pytest.raises(gm.GradmaskError, match="partitioned already"):
        gm.partition(model, {"forget": SLICE})
    with pytest.raises(gm.GradmaskError, match="needs a Hugging Face PreTrainedModel, got Linear"):
        gm.partition(nn.Linear(2, 2))  # type: ignore[arg-type]
    with pytest.raises(gm.GradmaskError, match="is not partitioned"):
        gm.groups(tiny())
