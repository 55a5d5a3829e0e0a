"""Several micro-batches with different labels before one step, and gradient clipping."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradmask as gm
from tiny import CONFIGS, tiny, tokens

GROUPS = {"forget": gm.Slice(heads=2, neurons=8), "code": gm.Slice(neurons=4, embeddings=True)}


def partitioned(model_type: str = "llama") -> Any:
    return gm.partition(tiny(model_type).double().train(), GROUPS)


def backward(model: nn.Module, label: Any, seed: int) -> None:
    """The loss summed over tokens, so that micro-batches add up to one batch."""
    ids = tokens(seed=seed)
    logits = model(ids, data_labels=label).logits
    nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="sum").backward()


def gradients(model: nn.Module) -> dict[str, Tensor | None]:
    return {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("order", [("forget", "retain", "code"), ("retain", "code", "forget")])
@pytest.mark.parametrize("model_type", CONFIGS)
def test_each_micro_batch_teaches_by_its_own_label(model_type: str, order: tuple[str, ...]) -> None:
    model = partitioned(model_type)
    alone: dict[str, dict[str, Tensor | None]] = {}
    for seed, label in enumerate(order):
        model.zero_grad()
        backward(model, label, seed)
        alone[label] = gradients(model)
    model.zero_grad()
    for seed, label in enumerate(order):
        backward(model, label, seed)
    for name, found in gradients(model).items():
        parts = [g[name] for g in alone.values() if g[name] is not None]
        assert (found is None) == (not parts), name
        if found is not None:
            torch.testing.assert_close(found, sum(parts), rtol=1e-12, atol=1e-13, msg=name)


def test_accumulation_equals_the_mixed_batch_and_the_last_label_does_not_win() -> None:
    model, order = partitioned(), ("forget", "retain", "code")
    for seed, label in enumerate(order):
        backward(model, label, seed)
    accumulated = gradients(model)
    model.zero_grad()
    ids = torch.cat([tokens(seed=seed) for seed in range(3)])
    logits = model(ids, data_labels=[label for label in order for _ in range(3)]).logits
    nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="sum").backward()
    for name, mixed in gradients(model).items():
        found = accumulated[name]
        assert (found is None) == (mixed is None), name
        if found is not None:
            torch.testing.assert_close(found, mixed, rtol=1e-9, atol=1e-12, msg=name)
    owners = {name: group for group, members in gm.groups(model).items() for name in members}
    assert {owners[name] for name, grad in accumulated.items() if grad is not None} == {"retain", "forget", "code"}


def test_the_forward_passes_may_all_come_before_the_backward_passes() -> None:
    model = partitioned()
    for seed, label in enumerate(("forget", "retain")):
        backward(model, label, seed)
    expected = gradients(model)
    model.zero_grad()
    sums = []
    for seed, label in enumerate(("forget", "retain")):
        ids = tokens(seed=seed)
        logits = model(ids, data_labels=label).logits
        sums.append(nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="sum"))
    torch.stack(sums).sum().backward()
    for name, found in gradients(model).items():
        if expected[name] is None:
            assert found is None, name
        else:
            torch.testing.assert_close(found, expected[name], rtol=1e-12, atol=1e-13, msg=name)


@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize("label", ["forget", "retain"])
def test_clipping_sees_the_gradients_of_what_learns_and_leaves_the_rest_frozen(label: str, foreach: bool) -> None:
    model = partitioned()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    backward(model, "unlabeled", 0)
    optimizer.step()
    optimizer.zero_grad()
    before = copy.deepcopy(dict(model.named_parameters()))
    backward(model, label, 1)
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in grads]))
    torch.testing.assert_close(nn.utils.clip_grad_norm_(model.parameters(), 1e-3, foreach=foreach), norm)
    clipped = torch.linalg.vector_norm(torch.stack([g.norm() for g in grads]))
    torch.testing.assert_close(clipped, torch.tensor(1e-3, dtype=torch.float64), rtol=1e-3, atol=0)
    optimizer.step()
    for group, members in gm.groups(model).items():
        for name, parameter in members.items():
            assert torch.equal(parameter, before[name]) == (group != label), name
