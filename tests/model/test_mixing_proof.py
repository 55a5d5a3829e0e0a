"""Rows of a batch that do not keep their labels apart are noticed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gradmask as gm
from gradmask.model import mixing_proof
from gradmask.model.mixing_proof import disturbed, kept_apart
from tiny import tiny, tokens


def test_rows_that_reach_each_other_are_noticed() -> None:
    model: Any = gm.partition(tiny(), {"forget": gm.Slice(heads=1, neurons=8)})
    batch = {"input_ids": tokens()}
    assert disturbed(model, batch) is None
    hook = model.model.norm.register_forward_hook(lambda module, args, output: output + output.mean(0, keepdim=True))
    assert disturbed(model, batch) == "forget"
    hook.remove()
    assert disturbed(model, batch) is None


def test_one_row_has_nothing_to_disturb() -> None:
    model: Any = gm.partition(tiny(), {"forget": gm.Slice(heads=1)})
    assert disturbed(model, {"input_ids": tokens(1)}) is None


def _with_shared_values() -> Any:
    """The second layer reads the first one's values, those of one head further: retain reads the group's head."""
    model: Any = gm.partition(tiny(), {"forget": gm.Slice(heads=1, neurons=8)})
    first, second = (layer.self_attn for layer in model.model.layers[:2])
    kept: dict[str, Any] = {}
    first.v_proj.register_forward_hook(lambda module, args, output: kept.update(values=output))
    second.v_proj.register_forward_hook(lambda module, args, output: kept["values"].roll(first.head_dim, -1))
    return model


def test_values_that_later_layers_read_are_zeros_where_their_group_does_not_run() -> None:
    model, batch = _with_shared_values(), {"input_ids": tokens()}
    assert disturbed(model, batch) == "forget"
    assert kept_apart(model, batch) is None
    assert disturbed(model, batch) is None
    rows, before = len(batch["input_ids"]), batch["input_ids"].shape[1] // 2
    labels = torch.zeros(batch["input_ids"].shape, dtype=torch.long)
    labels[:, before:] = 1
    with torch.no_grad():
        retain = model.eval()(**batch, data_labels="retain").logits
        assert torch.equal(model(**batch, data_labels=["forget"] + ["retain"] * (rows - 1)).logits[1:], retain[1:])
        mixed = model(**batch, data_labels=labels).logits
    assert torch.equal(mixed[:, : before - 1], retain[:, : before - 1])


def test_rows_that_meet_are_refused_at_inference_and_for_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixing_proof, "disturbed", lambda model, batch: "forget")
    model: Any = tiny()
    model = gm.partition(model, {"forget": gm.Slice(heads=1)}, architecture="infer")
    assert "example" in gm.label_limits(model)
    ids = tokens(2)
    with torch.no_grad():
        model(input_ids=ids, data_labels="retain")
        with pytest.raises(
            gm.GradmaskError, match="takes no labels per example: with mixed labels, 'forget' on one example"
        ):
            model(input_ids=ids, data_labels=["retain", "forget"])
        with pytest.raises(gm.GradmaskError, match="run each request by itself"), gm.rights(model, [["forget"], []]):
            pass
        with gm.rights(model.eval(), [[]]):
            model(input_ids=ids[:1])
