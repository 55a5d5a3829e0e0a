"""Sinks, decay rates, convolutions and scales belong to the heads that they are of; equality on both sides."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

import gradmask as gm
from contract.cases import BY_NAME, batch, build, logits
from gradmask.partitioning.kernel.layout import Along, Layout

OWNED = {
    "gpt-oss": ("model.layers.0.self_attn.sinks",),
    "qwen3-next": tuple(f"model.layers.0.linear_attn.{name}" for name in ("A_log", "dt_bias", "conv1d.weight")),
    "mamba2": tuple(
        f"backbone.layers.0.mixer.{name}"
        for name in ("A_log", "dt_bias", "D", "conv1d.weight", "conv1d.bias", "norm.weight")
    ),
}


def cut(name: str) -> PreTrainedModel:
    return gm.partition(build(BY_NAME[name]), {"forget": gm.Slice(heads=2)})


@pytest.mark.parametrize("name", OWNED)
def test_a_step_moves_the_entries_of_its_own_heads_and_no_bit_of_others(name: str) -> None:
    model: Any = cut(name)
    own = [f"{path}_forget" for path in OWNED[name]]
    assert set(own) <= set(gm.groups(model)["forget"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    for label, moves in (("unlabeled", True), ("forget", True), ("retain", False), (["retain", "retain"], False)):
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        model.train()(**batch(BY_NAME[name], size=2), data_labels=label).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        for path in own:
            retain = path.removesuffix("forget") + "retain"
            assert torch.equal(model.get_parameter(path), before[path]) != moves
            assert torch.equal(model.get_parameter(retain), before[retain]) == (label == "forget")


@pytest.mark.parametrize("name", OWNED)
def test_after_removal_no_entry_tells_what_was_learned(name: str) -> None:
    model, inputs = cut(name), batch(BY_NAME[name])
    with gm.without(model):
        removed = logits(model, inputs)
    others = {path: model.get_parameter(f"{path}_retain").detach().clone() for path in OWNED[name]}
    gm.ablate(model)
    assert torch.equal(logits(model, inputs), removed)
    plain = gm.unpartition(model)
    assert torch.equal(logits(plain, inputs), removed)
    for path, values in others.items():
        whole = plain.get_parameter(path).flatten(1) if values.dim() > 1 else plain.get_parameter(path).unsqueeze(1)
        silent = (whole == 0).all(1)
        assert int(silent.sum()) == len(whole) - len(values) > 0
        assert torch.equal(whole[~silent].flatten(), values.flatten())


def test_a_declared_entry_that_no_block_has_or_that_does_not_fit_is_refused() -> None:
    inputs = {f"self_attn.{n}_proj": n for n in "qkv"}
    for entries, message in (
        ({"self_attn.sink": "h"}, "names .'self_attn.sink'."),
        ({"self_attn.sinks": "k"}, "has 6 entries"),
    ):
        attention = gm.Attention(inputs, "self_attn.o_proj", entries=entries)
        declared = gm.Architecture(("gpt_oss",), ("layers",), (attention,))
        with pytest.raises(gm.GradmaskError, match=message):
            gm.partition(build(BY_NAME["gpt-oss"]), {"forget": gm.Slice(heads=2)}, architecture=declared)


def test_entries_lie_along_any_dimension() -> None:
    whole = torch.arange(24.0).view(2, 4, 3)
    along = Along(Layout(4, {"retain": (0, 2), "a": (1, 3)}), 1)
    parts = {group: along.take(whole, group) for group in along.groups}
    assert torch.equal(parts["a"], whole[:, [1, 3]])
    assert torch.equal(along.assemble(parts), whole)
    assert torch.equal(along.without(whole, {"a"}), whole[:, [0, 2]])
