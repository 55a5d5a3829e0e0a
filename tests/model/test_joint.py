"""What is joint learns from every label, and nothing silences or removes it: for every policy and kind."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

import gradmask as gm
from gradmask.partitioning import KINDS
from tiny import tiny, tokens

SLICE = {"forget": gm.Slice(heads=2, neurons=8, layers=[1])}
TABLES = {f"{p.rows} {p.joint}": p.name for p in reversed(gm.POLICIES.values()) if not p.consolidates}
FAST = {"strict": KINDS, "activation_masking": ("attention", "biases"), "gradient_routing": ("mlp", "norms")}
PAIRS = [
    pytest.param(policy, kind, marks=() if kind in FAST.get(policy, ()) else pytest.mark.slow)
    for policy in sorted(TABLES.values())
    for kind in KINDS
    # GPT-Neo's head is tied; and where attention is joint anyway, joint MLPs leave nothing to remove
    if kind != "untied_head" and (kind, "attention" in gm.POLICIES[policy].joint) != ("mlp", True)
]


def partitioned(policy: str, joint: list[str] | None, model_type: str = "gpt_neo", **options: Any) -> Any:
    return gm.partition(tiny(model_type).train(), SLICE, joint, policy, labels="optional", **options)


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(tokens()).logits


@pytest.mark.parametrize(("policy", "kind"), PAIRS)
def test_a_joint_parameter_is_read_and_taught_by_every_label_and_survives_removal(policy: str, kind: str) -> None:
    model = partitioned(policy, [kind])
    owned = gm.groups(model)["joint"]
    assert owned
    for label in ("forget", "retain", "unlabeled"):
        model.zero_grad()
        model(tokens(), labels=tokens(), data_labels=label).loss.backward()
        for name, parameter in owned.items():
            assert parameter.grad is not None, f"{label}: {name}"
            running = ~_entries(model, name, _cut_off(model, name, label))
            assert bool(parameter.grad[running].any()) or not running.any(), f"{label}: {name}"
    before = {name: parameter.detach().clone() for name, parameter in owned.items()}
    gm.ablate(model)
    for name, parameter in owned.items():
        removed = _entries(model, name, ["forget"])
        assert torch.equal(parameter[~removed], before[name][~removed]), name
        assert not parameter[removed].any(), name


def _cut_off(model: Any, name: str, label: str) -> list[str]:
    """The groups whose units in this joint parameter get no gradient from a label, because they are silent or detached."""
    row = label if label in ("retain", "unlabeled") else "group"
    cells = {"retain": model.gradmask.policy.cell(row, "retain"), "forget": model.gradmask.policy.cell(row, "own")}
    before = not name.endswith(("out_proj.weight_joint", "c_proj.weight_joint"))
    return [group for group, cell in cells.items() if cell.runs == 0 or (before and cell.passes == 0)]


def _entries(model: Any, name: str, groups: list[str]) -> torch.Tensor:
    """A mask of a joint parameter's entries that belong to units of these groups; of what is not cut, none do."""
    geometry = getattr(model.get_submodule(name.rpartition(".")[0]), "geometry", None)
    mask = torch.zeros_like(dict(model.named_parameters())[name], dtype=torch.bool)
    for group in groups:
        if geometry is not None and not (geometry.split == "in" and "bias" in name):
            mask.index_fill_(0 if "bias" in name else geometry.dim, torch.tensor(geometry.units.positions[group]), True)
    return mask


@pytest.mark.parametrize("model_type", ["gpt_neo", "gpt2", "llama"])
@pytest.mark.parametrize("policy", ["memorization_sinks", "sgtm_joint_attention_mask_embeddings"])
def test_joint_heads_run_on_retain_text_and_are_in_the_export(policy: str, model_type: str, tmp_path: Path) -> None:
    plain = tiny(model_type)
    model = partitioned(policy, None, model_type)
    assert not any("attn" in name for name in gm.groups(model)["forget"])
    with torch.no_grad():
        for each in (plain, model):  # a plain model without the group's neurons, by hand
            block = each.get_submodule({"llama": "model.layers.1.mlp"}.get(model_type, "transformer.h.1.mlp"))
            down = block.down_proj if model_type == "llama" else block.c_proj
            if each is plain:
                (down.weight[-8:] if model_type == "gpt2" else down.weight[:, -8:]).zero_()
    gm.export(model, tmp_path / "export", without=["forget"])
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "export")
    with gm.without(model):
        removed = logits(model)
    with torch.no_grad():
        on_retain = model.eval()(tokens(), data_labels="retain").logits
    assert torch.equal(removed, logits(plain))
    assert torch.equal(removed, on_retain)
    assert torch.equal(removed, logits(exported))


@pytest.mark.parametrize("policy", ["activation_masking", "gradient_routing", "sgtm_joint_projection"])
def test_no_saved_file_holds_the_joint_columns_of_what_was_ablated(policy: str, tmp_path: Path) -> None:
    model = partitioned(policy, None)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    model(tokens(), labels=tokens(), data_labels="unlabeled").loss.backward()
    optimizer.step()
    with gm.without(model):
        expected = logits(model)
    gm.ablate(model)
    assert torch.equal(logits(model), expected)
    model.train()
    model.save_pretrained(tmp_path / "ablated")
    model(tokens(), labels=tokens(), data_labels="retain").loss.backward()
    optimizer.step()  # whose momentum moves the columns again
    model.save_pretrained(tmp_path / "trained_on")
    for folder in ("ablated", "trained_on"):
        block: Any = AutoModelForCausalLM.from_pretrained(tmp_path / folder).transformer.h[1]
        assert not block.mlp.c_proj.weight[:, -8:].any()
        assert not block.attn.attention.out_proj.weight[:, -16:].any()
        assert block.mlp.c_proj.weight[:, :-8].all()
    plain = gm.unpartition(copy.deepcopy(model))
    assert torch.equal(logits(plain), logits(model))


def test_units_that_are_joint_belong_to_no_group() -> None:
    model: Any = gm.partition(tiny("gpt_neo"), {"forget": gm.Slice(heads=1, neurons=4)}, ["*.h.1.*"])
    units = model.gradmask.cut.units
    assert list(units["transformer.h.0/heads"]) == list(units["transformer.h.0/neurons"]) == ["forget"]
    assert not units["transformer.h.1/heads"]
    assert not units["transformer.h.1/neurons"]


def test_a_checkpoint_of_joint_units_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = partitioned("memorization_sinks", None)
    model.save_pretrained(tmp_path)
    caplog.clear()
    again = gm.load(tmp_path)
    assert "which are joint" not in caplog.text
    assert gm.groups(again).keys() == gm.groups(model).keys()
    for group, members in gm.groups(model).items():
        assert {n: p.shape for n, p in gm.groups(again)[group].items()} == {n: p.shape for n, p in members.items()}
    with gm.without(model), gm.without(again):
        assert torch.equal(logits(model), logits(again))


@pytest.mark.parametrize(
    ("spec", "joint", "says"),
    [
        (gm.Slice(heads=1), ["attention"], "asks for heads in transformer.h.0 and 1 more, which are joint"),
        (
            gm.Slice(heads=1, neurons=4, layers=[0]),
            ["*.h.0.*"],
            "asks for heads and neurons in transformer.h.0 and 1 more",
        ),
        (gm.Slice(neurons=4, new=True), ["mlp"], "asks for neurons in .* Ask for other units, or make less joint"),
    ],
)
def test_a_group_that_would_be_left_with_nothing_is_refused(spec: gm.Slice, joint: list[str], says: str) -> None:
    model = tiny("gpt_neo")
    before = model.state_dict().keys()
    with pytest.raises(gm.GradmaskError, match=says):
        gm.partition(model, {"forget": spec}, joint)
    assert model.state_dict().keys() == before


def test_what_a_group_does_not_get_is_said(caplog: pytest.LogCaptureFixture) -> None:
    partitioned("strict", ["attention"])
    assert "group 'forget' asks for heads in transformer.h.1, which are joint" in caplog.text
    tables = gm.partition(tiny("gpt_neo"), {"forget": gm.Slice(heads=1, embeddings=True)}, ["attention"])
    assert all("table" in name for name in gm.groups(tables)["forget"])


def test_blocks_without_a_slice_are_retain_in_strict_and_joint_in_published_policies() -> None:
    for policy, joint, owner in (
        ("strict", None, "retain"),
        ("strict", ["unsliced_blocks"], "joint"),
        ("sgtm", None, "joint"),
        ("sgtm", [], "retain"),
        ("sgtm_mask_embeddings", None, "joint"),
    ):
        model = partitioned(policy, joint)
        inside = {n for n, _ in model.named_parameters() if n.startswith("transformer.h.0.")}
        assert inside <= gm.groups(model)[owner].keys(), policy
        assert not any(n.startswith("transformer.h.1.attn") for n in gm.groups(model)["joint"])


def test_the_kinds_that_presets_name_are_what_they_say() -> None:
    tied, untied = (
        gm.groups(gm.partition(tiny("llama", tie_word_embeddings=tie), SLICE, policy="sgtm_mask_embeddings"))["joint"]
        for tie in (True, False)
    )
    assert "lm_head.weight" in untied
    assert "model.embed_tokens.weight" not in {*tied, *untied}
    assert {n for n in tied if "norm" in n and "layers.0" not in n} == {"model.norm.weight"}
    frozen = gm.partition(tiny(), {"forget": gm.Adapter(rank=2)}, policy="sgtm", base="frozen")
    assert not gm.groups(frozen)["joint"]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("policy", "joint", "bias", "weight"),
    [
        ("strict", None, "retain", "retain"),
        ("strict", ["untied_head"], "joint", "joint unless tied"),
        ("strict", ["*.bias"], "joint", "retain"),
        ("sgtm", None, "joint", "joint"),
        ("sgtm_mask_embeddings", None, "joint", "joint unless tied"),
    ],
)
def test_a_bias_of_the_head_is_owned(policy: str, joint: list[str] | None, bias: str, weight: str, tied: bool) -> None:
    plain: Any = tiny("gpt_neo", tie_word_embeddings=tied)
    head = nn.Linear(32, 64)
    head.weight = plain.lm_head.weight
    plain.lm_head = head
    model: Any = gm.partition(plain, SLICE, joint, policy, labels="optional")
    owner = {name: group for group, members in gm.groups(model).items() for name in members}
    wanted = {"joint unless tied": "retain" if tied else "joint"}.get(weight, weight)
    assert (owner["lm_head.bias"], owner["transformer.wte.weight" if tied else "lm_head.weight"]) == (bias, wanted)
    for label in ("forget", "retain"):
        model.zero_grad()
        model.train()(tokens(), labels=tokens(), data_labels=label).loss.backward()
        assert (model.lm_head._parameters["bias"].grad is None) == (label == "forget" and bias == "retain")
    assert torch.equal(logits(gm.unpartition(copy.deepcopy(model))), logits(model))


def test_published_masking_strategies_are_told_apart_from_typing_errors() -> None:
    with pytest.raises(gm.GradmaskError, match="'parameter_masking_no_proj' is policy='sgtm_joint_projection' here"):
        gm.partition(tiny(), policy="parameter_masking_no_proj")
