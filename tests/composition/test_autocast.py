"""Autocast to bfloat16: the plain model's numbers bit for bit, and freezing as exact as ever."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

import gradmask as gm
from tiny import CONFIGS, tiny, tokens

SPECS = {"plain": gm.Slice(heads=2, neurons=8), "own-tables": gm.Slice(heads=2, neurons=8, embeddings=True)}


def half() -> torch.autocast:
    return torch.autocast(torch.get_default_device().type, dtype=torch.bfloat16)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("model_type", CONFIGS)
def test_an_unlabeled_batch_equals_plain_autocast_bit_for_bit(model_type: str, spec: str) -> None:
    plain = tiny(model_type).train()
    model = gm.partition(copy.deepcopy(plain), {"forget": SPECS[spec]}, labels="optional")
    outputs = []
    for each in (plain, model):
        with half():
            outputs.append(each(tokens(), labels=tokens()))
        outputs[-1].loss.backward()
    assert outputs[0].logits.dtype == outputs[1].logits.dtype == torch.bfloat16
    assert torch.equal(outputs[0].logits, outputs[1].logits)
    if spec == "own-tables":  # the group's own tables learn too, so only the outputs are the plain model's
        return
    for each in (plain, model):
        torch.optim.SGD(each.parameters(), lr=1.0).step()
    gm.unpartition(model)
    for (name, expected), found in zip(plain.named_parameters(), model.parameters(), strict=True):
        assert torch.equal(found, expected), name


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("model_type", CONFIGS)
def test_freezing_is_exact_and_parameters_keep_their_dtype(model_type: str, spec: str) -> None:
    model = gm.partition(tiny(model_type).train(), {"forget": SPECS[spec]})
    with half():  # both in one region: autocast keeps casts of weights until it ends
        for label in ("unlabeled", "forget"):
            loss = model(tokens(), labels=tokens(), data_labels=label).loss
            model.zero_grad()
            loss.backward()
    for group, members in gm.groups(model).items():
        for name, parameter in members.items():
            assert (parameter.grad is None) == (group != "forget"), name
            assert parameter.grad is None or parameter.grad.dtype == parameter.dtype == torch.float32


@pytest.mark.parametrize("model_type", CONFIGS)
def test_mixed_labels_agree_with_full_precision(model_type: str) -> None:
    model: Any = gm.partition(tiny(model_type).train(), {"forget": SPECS["own-tables"]}, joint=["norms"])
    labels = ["forget", "retain", "unlabeled"]
    found: list[list[Tensor]] = []
    for enabled in (False, True):
        model.zero_grad()
        with torch.autocast(torch.get_default_device().type, dtype=torch.bfloat16, enabled=enabled):
            model(tokens(), labels=tokens(), data_labels=labels).loss.backward()
        found.append([p.grad for p in model.parameters()])  # type: ignore[misc]
    for (name, _), full, rounded in zip(model.named_parameters(), *found, strict=True):
        assert (full - rounded).norm() < 0.1 * full.norm(), name
