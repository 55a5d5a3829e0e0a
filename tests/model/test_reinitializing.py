from __future__ import annotations

from typing import Any

import pytest
import torch

import gradmask as gm
from tiny import tiny, tokens


def parameters(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def cut(model_type: str = "gpt_neo", **overrides: Any) -> Any:
    two = {"forget": gm.Slice(heads=1, neurons=16), "other": gm.Slice(neurons=8)}
    return gm.partition(tiny(model_type, **overrides), two, joint=["norms"])


@pytest.mark.parametrize("model_type", ["gpt_neo", "gpt2", "llama"])
def test_the_group_is_drawn_anew_and_nothing_else_changes(model_type: str) -> None:
    groups = {"forget": gm.Slice(heads=2, neurons=16)}
    model: Any = gm.partition(tiny(model_type), groups)
    before, owned = parameters(model), gm.groups(model)
    assert gm.reinitialize(model, "forget", seed=1) is model
    after = parameters(model)
    for name, p in before.items():
        assert torch.equal(after[name], p) == (name not in owned["forget"])
    drawn = parameters(gm.reinitialize(model, "forget", seed=1))
    assert all(torch.equal(drawn[name], p) for name, p in after.items())
    other = parameters(gm.reinitialize(model, "forget", seed=2))
    assert not any(torch.equal(other[name], after[name]) for name in owned["forget"])


def test_weights_have_the_spread_of_the_units_that_stay() -> None:
    model: Any = gm.partition(tiny("gpt_neo", hidden_size=64), {"forget": gm.Slice(heads=1, neurons=64)})
    layer = model.transformer.h[1].mlp.c_fc
    with torch.no_grad():
        layer.weight_retain.mul_(7)
        layer.bias_retain.fill_(3)
    gm.reinitialize(model, "forget")
    assert layer.weight_forget.std().item() == pytest.approx(layer.weight_retain.std().item(), rel=0.05)
    assert abs(layer.weight_forget.mean().item()) < 0.05 * layer.weight_retain.std().item()
    assert not layer.bias_forget.any()  # its spread is that of a constant


def test_a_removed_group_runs_and_learns_again() -> None:
    model = cut()
    kept = parameters(model)
    gm.ablate(model)
    with torch.no_grad():
        removed = model.eval()(tokens()).logits
    gm.reinitialize(model, "forget", seed=3)
    assert model.gradmask.removed == {"other"}
    with torch.no_grad():
        assert not torch.equal(model(tokens()).logits, removed)
        with gm.without(model, "forget"):
            assert torch.equal(model(tokens()).logits, removed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        loss = model.train()(tokens(), labels=tokens(), data_labels="forget").loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.3
    owned = gm.groups(model)
    assert all(torch.equal(p, kept[name]) for name, p in owned["retain"].items())


@pytest.mark.parametrize("ablated", [True, False])
def test_columns_of_a_joint_projection_are_drawn_where_removal_zeroed_them(ablated: bool) -> None:
    model: Any = gm.partition(tiny("gpt_neo"), {"forget": gm.Slice(heads=1, neurons=16)}, policy="activation_masking")
    before = parameters(model)
    if ablated:
        gm.ablate(model)
    gm.reinitialize(model)
    owned = gm.groups(model)
    columns = {"out_proj.weight": 24, "c_proj.weight": 112}
    for name, p in owned["joint"].items():
        first = next((n for end, n in columns.items() if name.endswith(f"{end}_joint")), None)
        if first is None:
            assert torch.equal(p, before[name])
            continue
        assert torch.equal(p[:, :first], before[name][:, :first])
        assert torch.equal(p[:, first:], before[name][:, first:]) != ablated
        assert p[:, first:].std().item() == pytest.approx(p[:, :first].std().item(), rel=0.3)
    assert any(name.endswith("out_proj.weight_joint") for name in owned["joint"])


def test_own_tables_and_adapters_start_as_they_were_made() -> None:
    table: Any = gm.partition(tiny("llama"), {"forget": gm.Slice(neurons=4, embeddings=True)})
    ranked: Any = gm.partition(tiny("llama"), {"forget": gm.Slice(neurons=4, embeddings=3)})
    adapter: Any = gm.partition(tiny("llama"), {"forget": gm.Adapter(rank=2)})
    for model in (table, ranked, adapter):
        with torch.no_grad(), gm.without(model, "forget"):
            plain = model(tokens()).logits
        with torch.no_grad():
            for p in gm.groups(model)["forget"].values():
                p.normal_()
        gm.reinitialize(model, "forget")
        if model is adapter:  # it adds nothing until it learns
            with torch.no_grad():
                assert torch.equal(model.eval()(tokens()).logits, plain)
        for name, p in gm.groups(model)["forget"].items():
            random = name.endswith(("-A", "-columns")) or ("table" not in name and "adapter" not in name)
            assert bool(p.any()) == random, name
        model.train()(tokens(), labels=tokens(), data_labels="forget").loss.backward()
        assert all(p.grad is not None for p in gm.groups(model)["forget"].values())


def test_unknown_groups_are_refused() -> None:
    with pytest.raises(gm.GradmaskError, match="'retain' is not a removable group"):
        gm.reinitialize(cut(), "retain")
    with pytest.raises(gm.GradmaskError, match="not partitioned"):
        gm.reinitialize(tiny())
