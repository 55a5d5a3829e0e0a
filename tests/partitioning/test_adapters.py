"""Adapter groups: the promises of every other group, on a base that is frozen or learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

import gradmask as gm
from contract.cases import CASES, Case, batch, build
from tiny import CONFIGS, tiny, tokens

GROUPS = {"bio": gm.Adapter(rank=3), "code": gm.Adapter(rank=2, targets=["attention"], layers=[1])}


def trained(model: Any) -> Any:
    """As if trained: no adapter is zero."""
    with torch.no_grad():
        for group in model.gradmask.removable:
            for parameter in gm.groups(model)[group].values():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def adapted(model_type: str = "llama", frozen: bool = False, **changes: Any) -> Any:
    return trained(gm.partition(tiny(model_type, **changes).requires_grad_(not frozen), GROUPS))


def logits(model: Any, **kwargs: Any) -> Tensor:
    with torch.no_grad():
        return model.eval()(tokens(), **kwargs).logits


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_architecture(case: Case, tmp_path: Path) -> None:
    model: Any = build(case, True).eval()
    inputs = batch(case)
    with torch.no_grad():
        before = model(**inputs).logits
        gm.partition(model, {"bio": gm.Adapter(rank=2), "code": gm.Adapter(rank=1, targets=["attention"])})
        assert torch.equal(model(**inputs).logits, before)
        trained(model)
        full = model(**inputs).logits
        assert not torch.equal(full, before)
        with gm.without(model):
            assert torch.equal(model(**inputs).logits, before)
        assert torch.equal(model(**inputs, data_labels="retain").logits, before)
        model.save_pretrained(tmp_path / "saved")
        assert torch.equal(gm.load(tmp_path / "saved").eval()(**inputs).logits, full)
        gm.export(model, tmp_path / "full")
        gm.export(model, tmp_path / "base", without=["bio", "code"])
        for name, expected in (("full", full), ("base", before)):
            plain = type(model).gradmask_plain.from_pretrained(tmp_path / name).eval()
            assert torch.equal(plain(**inputs).logits, expected)
    model.train()
    for label, learning in (("bio", {"bio"}), ("retain", {"retain"}), ("unlabeled", {"bio", "code", "retain"})):
        model.zero_grad()
        model(**inputs, data_labels=label).loss.backward()
        members = gm.groups(model)
        assert {g for g in members if any(p.grad is not None for p in members[g].values())} == learning
        assert all(p.grad is not None for g in learning - {"retain"} for p in members[g].values())


@pytest.mark.parametrize("model_type", CONFIGS)
def test_gradients_are_those_of_the_merged_weights(model_type: str) -> None:
    model = adapted(model_type).double()
    ids = tokens()
    plain = gm.unpartition(trained_copy(model))
    plain.train()(ids, labels=ids).loss.backward()
    model.train()(ids, labels=ids, data_labels="unlabeled").loss.backward()
    for path, module in model.named_modules():
        for group in ("bio", "code"):
            rows, columns = (module._parameters.get(f"table_{group}-{kind}") for kind in ("rows", "columns"))
            if rows is not None and columns is not None:
                whole = plain.get_submodule(path).weight.grad
                assert close(rows.grad, whole @ columns.t())
                assert close(columns.grad, rows.t() @ whole)


def trained_copy(model: Any) -> Any:
    import copy

    return copy.deepcopy(model)


def close(found: Tensor | None, expected: Tensor) -> bool:
    assert found is not None
    return bool((found - expected).norm() <= 1e-12 * expected.norm())


@pytest.mark.parametrize("model_type", CONFIGS)
@pytest.mark.parametrize("frozen", [True, False])
def test_labels_per_example_equal_separate_passes(model_type: str, frozen: bool) -> None:
    model = adapted(model_type, frozen).double().train()
    ids, labels = tokens(5), ["bio", "retain", "unlabeled", "code", "bio"]

    def loss(rows: Tensor, given: Any) -> Tensor:
        return model(rows, data_labels=given).logits.pow(2).sum()

    expected: dict[str, Tensor] = {}
    for i, label in enumerate(labels):
        value = loss(ids[i : i + 1], label)
        if value.requires_grad:
            value.backward()
        for name, p in model.named_parameters():
            if p.grad is not None:
                expected[name] = expected.get(name, 0) + p.grad
        model.zero_grad()
    loss(ids, labels).backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    assert all(close(found[name], expected[name]) for name in found)


@pytest.mark.parametrize("model_type", CONFIGS)
def test_labels_per_token_teach_from_their_own_positions(model_type: str) -> None:
    model = adapted(model_type).double().train()
    ids = tokens(3, 9)
    labels = torch.randint(-1, 3, ids.shape, generator=torch.Generator().manual_seed(5))
    kept: dict[str, list[Tensor]] = {}

    def keep(path: str) -> Any:
        def hook(_: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            output.register_hook(lambda gradient: kept.__setitem__(path, [inputs[0].detach(), gradient]))

        return hook

    paths = [p for p, m in model.named_modules() if "table_bio-rows" in m._parameters]
    for path in paths:
        model.get_submodule(path).register_forward_hook(keep(path))
    model(ids, labels=ids, data_labels=labels).loss.backward()
    taught = ((labels == 1) | (labels == -1)).unsqueeze(-1)
    for path in paths:
        module, (x, gradient) = model.get_submodule(path), kept[path]
        whole = torch.einsum("bso,bsi->oi", gradient * taught, x)
        whole = whole.t() if module.gradmask_geometry.transposed else whole
        rows, columns = module._parameters["table_bio-rows"], module._parameters["table_bio-columns"]
        assert close(rows.grad, whole @ columns.t())
        assert close(columns.grad, rows.t() @ whole)


def test_a_frozen_base_stays_through_any_optimizer_and_any_label() -> None:
    model = adapted(frozen=True).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    before = {name: p.clone() for name, p in model.named_parameters()}
    ids = tokens()
    for labels in ("retain", ["bio", "retain", "unlabeled"]):
        model(ids, labels=ids, data_labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    members = gm.groups(model)
    assert moved == {*members["bio"], *members["code"]}
    assert gm.check(model).raise_for_failures().ok
    assert gm.check(adapted()).raise_for_failures().ok


def test_strength_and_ablation() -> None:
    model = adapted()
    full = logits(model)
    with gm.without(model, "bio"):
        removed = logits(model)
    gm.strength(model, bio=0.0)
    assert torch.equal(logits(model), removed)
    gm.strength(model, bio=0.5)
    half = logits(model)
    assert not torch.equal(half, removed)
    gm.strength(model, bio=1.0)
    assert torch.equal(logits(model), full)
    gm.ablate(model, "bio")
    assert torch.equal(logits(model), removed)


def test_beside_a_slice_of_other_layers(tmp_path: Path) -> None:
    groups = {"bio": gm.Adapter(rank=2, targets=["attention"]), "code": gm.Slice(neurons=8, embeddings=4)}
    model = trained(gm.partition(tiny(), groups))
    assert gm.check(model).raise_for_failures().ok
    model.save_pretrained(tmp_path)
    again = gm.load(tmp_path)
    assert torch.equal(logits(again), logits(model))
    assert again.gradmask.cut.slices == {**groups, "bio": gm.Adapter(2, ["attention"])}


@pytest.mark.parametrize("model_type", ["llama", "gpt2"])
def test_peft_opens_an_exported_adapter(model_type: str, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    model = adapted(model_type)
    gm.export(model, tmp_path / "base", without=["bio", "code"])
    gm.export_adapter(model, tmp_path / "bio", "bio")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    opened = peft.PeftModel.from_pretrained(plain, tmp_path / "bio")
    with gm.without(model, "code"):
        expected = logits(model)
    torch.testing.assert_close(logits(opened), expected)
    with pytest.raises(gm.GradmaskError, match="exists: choose another folder"):
        gm.export_adapter(model, tmp_path / "bio", "bio")
    sliced = gm.partition(tiny(), {"code": gm.Slice(neurons=4)})
    with pytest.raises(gm.GradmaskError, match="is a gm.Slice of the model's own layers"):
        gm.export_adapter(sliced, tmp_path / "code", "code")


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (lambda: {"a": gm.Adapter(rank=0)}, "whole number of at least 1, got 0"),
        (lambda: {"a": gm.Adapter(targets="mlp")}, "targets are a list of kinds or glob patterns, got 'mlp'"),
        (lambda: {"a": gm.Adapter(rank=2, targets=["mpl"])}, "targets of group 'a': 'mpl' matches no parameter"),
        (lambda: {"a": gm.Adapter(rank=2, targets=["head"])}, "name no linear layer of the blocks"),
        (lambda: {"a": gm.Adapter(rank=99)}, "rank 99 is above that of model.layers.0.self_attn"),
        (lambda: {"a": gm.Adapter(rank=2, layers=[7])}, "names layers"),
        (
            lambda: {"a": gm.Adapter(rank=2), "b": gm.Slice(neurons=4)},
            "group 'a' adapts this layer, of which group 'b'",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_changed(groups: Any, message: str) -> None:
    model = tiny()
    before = logits(model)
    with pytest.raises(gm.GradmaskError, match=message):
        gm.partition(model, groups())
    assert not gm.is_partitioned(model)
    assert torch.equal(logits(model), before)
