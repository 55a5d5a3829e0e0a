"""Adapter groups on every architecture: outputs, removal, checkpoints, and what each label teaches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import gradmask as gm
from contract.cases import CASES, Case, batch, build


def trained(model: Any) -> Any:
    """As if trained: no adapter is zero."""
    with torch.no_grad():
        for group in model.gradmask.removable:
            for parameter in gm.groups(model)[group].values():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


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
        assert torch.equal(gm.load(tmp_path / "saved", **case.loading).eval()(**inputs).logits, full)
        gm.export(model, tmp_path / "full")
        gm.export(model, tmp_path / "base", without=["bio", "code"])
        for name, expected in (("full", full), ("base", before)):
            plain = type(model).gradmask_plain.from_pretrained(tmp_path / name, **case.loading).eval()
            assert torch.equal(plain(**inputs).logits, expected)
    model.train()
    for label, learning in (("bio", {"bio"}), ("retain", {"retain"}), ("unlabeled", {"bio", "code", "retain"})):
        model.zero_grad()
        model(**inputs, data_labels=label).loss.backward()
        members = gm.groups(model)
        assert {g for g in members if any(p.grad is not None for p in members[g].values())} == learning
        assert all(p.grad is not None for g in learning - {"retain"} for p in members[g].values())
