"""Any optimizer: what a batch does not teach keeps its bits, optimizer state included, and what it teaches moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers.optimization import Adafactor

import gradmask as gm
from tiny import tiny, tokens

SPECS = {"plain": gm.Slice(heads=2, neurons=8), "own-tables": gm.Slice(heads=2, neurons=8, embeddings=True)}
Build = Callable[[Iterable[nn.Parameter]], Optimizer]


class MuonAndAdamW(Optimizer):
    """`torch.optim.Muon` takes matrices only: the rest (norms, biases) goes to AdamW, embeddings and head as well."""

    def __init__(self, model: nn.Module) -> None:
        tables = {id(p) for name, p in model.named_parameters() if "embed" in name or "head" in name}
        matrices = [p for p in model.parameters() if p.dim() == 2 and id(p) not in tables]
        chosen = {id(p) for p in matrices}
        self.muon = torch.optim.Muon(matrices, lr=1e-2, weight_decay=0.1)
        self.adamw = torch.optim.AdamW([p for p in model.parameters() if id(p) not in chosen], lr=1e-2)

    @property
    def state(self) -> dict[Tensor, Any]:  # type: ignore[override]
        return {**self.muon.state, **self.adamw.state}

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.muon.step()
        self.adamw.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.muon.zero_grad(set_to_none)
        self.adamw.zero_grad(set_to_none)


def eight_bit(model: nn.Module) -> Optimizer:
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="8-bit optimizers need bitsandbytes")
    return bitsandbytes.optim.AdamW8bit(model.parameters(), lr=1e-2, weight_decay=0.1, min_8bit_size=16)


OPTIMIZERS: dict[str, Callable[[nn.Module], Optimizer]] = {
    "sgd-momentum": lambda m: torch.optim.SGD(m.parameters(), lr=1e-2, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": lambda m: torch.optim.Adam(m.parameters(), lr=1e-2, weight_decay=0.1, amsgrad=True),
    "adamw-for-loop": lambda m: torch.optim.AdamW(m.parameters(), lr=1e-2, weight_decay=0.1, foreach=False),
    "adamw-foreach": lambda m: torch.optim.AdamW(m.parameters(), lr=1e-2, weight_decay=0.1, foreach=True),
    "adamw-fused": lambda m: torch.optim.AdamW(m.parameters(), lr=1e-2, weight_decay=0.1, fused=True),
    "adafactor-torch": lambda m: torch.optim.Adafactor(m.parameters(), lr=1e-2, weight_decay=0.1),
    "adafactor-transformers": lambda m: Adafactor(m.parameters(), lr=1e-2, relative_step=False, weight_decay=0.1),
    "muon": MuonAndAdamW,
    "adamw-8bit": eight_bit,
}


def step(model: Any, optimizer: Optimizer, label: Any, seed: int) -> None:
    model(tokens(seed=seed), labels=tokens(seed=seed), data_labels=label).loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def snapshot(model: nn.Module, optimizer: Optimizer) -> dict[str, list[Any]]:
    found = {}
    for name, parameter in model.named_parameters():
        state = optimizer.state[parameter].values()
        found[name] = [x.clone() if isinstance(x, Tensor) else x for x in (parameter.detach(), *state)]
    return found


def same(before: list[Any], after: list[Any]) -> bool:
    pairs = zip(before, after, strict=True)
    return all(torch.equal(a, b) if isinstance(a, Tensor) else a == b for a, b in pairs)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_freezing_is_bitwise_for_parameters_and_state(name: str, spec: str) -> None:
    model = gm.partition(tiny(num_hidden_layers=1).train(), {"forget": SPECS[spec]}, joint=["*.input_layernorm.weight"])
    optimizer = OPTIMIZERS[name](model)
    for seed in range(2):
        step(model, optimizer, "unlabeled", seed)
    for seed, label in enumerate(("forget", "retain", "forget"), start=2):
        before = snapshot(model, optimizer)
        step(model, optimizer, label, seed)
        after = snapshot(model, optimizer)
        for group, members in gm.groups(model).items():
            for parameter in members:
                assert same(before[parameter], after[parameter]) == (group not in (label, "joint")), parameter


def test_groups_make_optimizer_groups() -> None:
    """A group's parameters are ordinary parameters: another learning rate for each is nothing special."""
    model = gm.partition(tiny(num_hidden_layers=1).train(), {"forget": SPECS["plain"]})
    owned = gm.groups(model)
    rates = {"retain": 0.0, "joint": 0.0, "forget": 0.1}
    optimizer = torch.optim.SGD([{"params": list(owned[g].values()), "lr": lr} for g, lr in rates.items()])
    before = snapshot(model, optimizer)
    step(model, optimizer, "unlabeled", 0)
    after = snapshot(model, optimizer)
    moved = {name for name in before if not same(before[name], after[name])}
    assert moved == set(owned["forget"])
