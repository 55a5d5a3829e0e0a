"""`exact=False` and `exact="split"` have the leaks of the published code; the default has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradmask as gm
from gradmask.model import stepping
from tiny import CONFIGS, tiny, tokens

ROWS = ("q_proj", "k_proj", "v_proj", "c_fc")
SLICE = gm.Slice(heads=2, neurons=8, embeddings=True)


def partitioned(model_type: str = "llama", exact: Any = False, **changes: Any) -> Any:
    return gm.partition(tiny(model_type, **changes).train(), {"forget": SLICE}, exact=exact, labels="optional")


def adamw(model: nn.Module, weight_decay: float = 0.0) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=weight_decay)


def backward(model: Any, label: Any, seed: int = 0) -> None:
    model(tokens(seed=seed), labels=tokens(seed=seed), data_labels=label).loss.backward()


def step(model: Any, optimizer: torch.optim.Optimizer, label: Any, seed: int = 0) -> None:
    backward(model, label, seed)
    optimizer.step()
    optimizer.zero_grad()


def largest_move(model: Any, before: dict[str, Tensor], group: str) -> float:
    return max((p.detach() - before[name]).abs().max().item() for name, p in gm.groups(model)[group].items())


def copies(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("model_type", CONFIGS)
def test_the_published_leak_is_reproduced_and_the_default_has_none(model_type: str) -> None:
    for exact in (True, False):
        model = partitioned(model_type, exact)
        optimizer = adamw(model)
        step(model, optimizer, "unlabeled")
        before = copies(model)
        step(model, optimizer, "forget", seed=1)
        leak = largest_move(model, before, "retain")
        assert leak == 0.0 if exact else 1e-3 < leak < 1e-2
        assert largest_move(model, before, "forget") > 1e-3


def test_it_is_one_adamw_over_masked_gradients_of_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit what AdamW does after the masked gradients were set to zero by hand (the published ``legacy``)."""
    monkeypatch.setattr(stepping, "check_step", lambda *_: None)  # which refuses just that
    published, model = (partitioned(exact=exact) for exact in (True, False))
    optimizers = [adamw(each, weight_decay=0.1) for each in (published, model)]
    for seed, label in enumerate(("unlabeled", "forget", "retain", ["forget", "retain", "unlabeled"])):
        for each, optimizer in zip((published, model), optimizers, strict=True):
            backward(each, label, seed)
            if each is published:
                for parameter in each.parameters():
                    parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            optimizer.step()
            optimizer.zero_grad()
    for (name, found), expected in zip(model.named_parameters(), published.parameters(), strict=True):
        assert torch.equal(found, expected), name


@pytest.mark.parametrize("policy", ["strict", "sgtm_joint_projection"])
def test_split_is_one_adamw_for_rows_of_each_group_and_one_for_the_rest(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published ``split``: the rest steps on every batch, forget rows on forget, retain rows on retain; all on unlabeled."""
    monkeypatch.setattr(stepping, "check_step", lambda *_: None)
    slices = {"forget": gm.Slice(heads=1, neurons=8)}
    published, model = (
        gm.partition(tiny("gpt_neo").train(), slices, policy=policy, exact=exact) for exact in (True, "split")
    )
    rows = {name for name, _ in published.named_parameters() if name.split(".")[-2] in ROWS}
    assert {name.rpartition("_")[2] for name in rows} == {"retain", "forget"}
    members: dict[str, list[nn.Parameter]] = {"retain": [], "forget": [], "rest": []}
    for name, parameter in published.named_parameters():
        members[name.rpartition("_")[2] if name in rows else "rest"].append(parameter)
    optimizers = {group: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1) for group, p in members.items()}
    single = adamw(model, weight_decay=0.1)
    for seed, label in enumerate(("unlabeled", "forget", "retain", "forget", "retain", "unlabeled")):
        step(model, single, label, seed)
        backward(published, label, seed)
        for parameter in published.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for group, optimizer in optimizers.items():
            if group in ("rest", label) or label == "unlabeled":
                optimizer.step()
        published.zero_grad()
    for (name, found), expected in zip(model.named_parameters(), published.parameters(), strict=True):
        assert torch.equal(found, expected), name


def test_weight_decay_alone_moves_masked_rows() -> None:
    model = partitioned()
    optimizer = adamw(model, weight_decay=0.1)
    before = copies(model)
    step(model, optimizer, "forget")
    assert largest_move(model, before, "retain") > 0.0


def test_micro_batches_add_up() -> None:
    model, exact = partitioned(), partitioned(exact=True)
    for each in (model, exact):
        backward(each, "forget", 0)
        backward(each, "retain", 1)
    for found, expected in zip(model.parameters(), exact.parameters(), strict=True):
        assert torch.equal(found.grad, expected.grad)


def test_outputs_of_every_form_carry_the_zeros() -> None:
    model = partitioned()
    outputs = {
        "logits": lambda: model(tokens(), data_labels="forget").logits,
        "tuple": lambda: model(tokens(), data_labels="forget", return_dict=False)[0],
    }
    for make in outputs.values():
        model.zero_grad()
        make().sum().backward()
        assert all(p.grad is not None and not p.grad.any() for p in gm.groups(model)["retain"].values())
    with torch.no_grad():
        assert not model(tokens(), labels=tokens(), data_labels="forget").loss.requires_grad


def test_a_removed_group_stays_removed() -> None:
    model = partitioned()
    optimizer = adamw(model, weight_decay=0.1)
    step(model, optimizer, "unlabeled")
    gm.ablate(model, "forget")
    step(model, optimizer, "retain")
    assert all(not p.any() for p in gm.groups(model)["forget"].values())


def test_a_checkpoint_remembers(tmp_path: Path) -> None:
    for exact in (True, False, "split"):
        partitioned(exact=exact).save_pretrained(tmp_path / str(exact))
        assert gm.load(tmp_path / str(exact)).gradmask.exact is exact
