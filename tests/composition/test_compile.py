"""`torch.compile`: one graph for each kind of label, no break inside the model, the same numbers, exact freezing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch._dynamo as dynamo
from torch._dynamo.utils import counters

import gradmask as gm
from tiny import tiny, tokens

SPECS = {"plain": gm.Slice(heads=2, neurons=8), "own-tables": gm.Slice(heads=2, neurons=8, embeddings=True)}
MIXED = ["forget", "retain", "unlabeled"]
PER_TOKEN = torch.tensor([[0, 1, -1, 1, 0, -100, 0, 1, -1]]).expand(3, -1)


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    dynamo.reset()
    counters.clear()
    yield
    dynamo.reset()


def train_step(model: Any, label: Any, seed: int) -> float:
    model.zero_grad()
    loss = model(input_ids=tokens(seed=seed), labels=tokens(seed=seed), data_labels=label).loss
    loss.backward()
    return loss.item()


def assert_same_gradients(model: Any, eager: Any, frozen: set[str]) -> None:
    for group, members in gm.groups(eager).items():
        found = gm.groups(model)[group]
        for name, parameter in members.items():
            assert (found[name].grad is None) == (parameter.grad is None) == (group in frozen), name
            if parameter.grad is not None:
                torch.testing.assert_close(found[name].grad, parameter.grad, rtol=1e-3, atol=1e-6, msg=name)


def breaks() -> list[str]:
    return [reason for reason in counters["graph_break"] if "<class 'method'>" not in reason]


def test_one_graph_per_kind_of_label_and_no_break() -> None:
    model = gm.partition(tiny(num_hidden_layers=1).train(), {"forget": SPECS["plain"]})
    eager = copy.deepcopy(model)
    compiled = torch.compile(model, backend="eager")
    kinds: list[tuple[Any, set[str]]] = [("forget", {"retain"}), (MIXED, set())]
    for label, frozen in kinds:
        assert train_step(compiled, label, 0) == pytest.approx(train_step(eager, label, 0), rel=1e-5)
        assert_same_gradients(model, eager, frozen | {"joint"})
    assert counters["stats"]["unique_graphs"] == len(kinds)
    assert not breaks()
    with dynamo.config.patch(error_on_recompile=True):
        for seed, (label, frozen) in enumerate([*kinds, (["retain", "unlabeled", "forget"], set())], start=1):
            train_step(compiled, label, seed)
            train_step(eager, label, seed)
            assert_same_gradients(model, eager, frozen | {"joint"})
    assert counters["stats"]["unique_graphs"] == len(kinds)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model_type", "spec", "way"),
    [
        ("llama", "own-tables", "torch.compile"),
        ("gpt2", "own-tables", "model.compile"),
        ("gpt_neo", "plain", "torch.compile"),
    ],
)
def test_every_kind_of_label(model_type: str, spec: str, way: str) -> None:
    model: Any = gm.partition(tiny(model_type).train(), {"forget": SPECS[spec]})
    eager = copy.deepcopy(model)
    if way == "torch.compile":
        compiled = torch.compile(model, backend="aot_eager")
    else:
        model.compile(backend="aot_eager")
        compiled = model
    kinds: list[tuple[Any, set[str]]] = [
        ("unlabeled", set()),
        ("forget", {"retain"}),
        ("retain", {"forget"}),
        (MIXED, set()),
        (PER_TOKEN, set()),
    ]
    for label, frozen in kinds:
        assert train_step(compiled, label, 0) == pytest.approx(train_step(eager, label, 0), rel=1e-5)
        assert_same_gradients(model, eager, frozen | {"joint"})
    graphs = counters["stats"]["unique_graphs"]
    with dynamo.config.patch(error_on_recompile=True):
        for label, frozen in kinds:
            train_step(compiled, label, 1)
            train_step(eager, label, 1)
            assert_same_gradients(model, eager, frozen | {"joint"})
    assert counters["stats"]["unique_graphs"] == graphs
    with torch.no_grad(), gm.without(model, "forget"), gm.without(eager, "forget"):
        torch.testing.assert_close(compiled(tokens()).logits, eager(tokens()).logits, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "recompute"), [("inductor", False), ("aot_eager", True)])
def test_with_the_default_backend_and_with_activation_checkpointing(backend: str, recompute: bool) -> None:
    model: Any = gm.partition(tiny(num_hidden_layers=1).train(), {"forget": SPECS["plain"]})
    eager = copy.deepcopy(model)
    if recompute:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    compiled = torch.compile(model, backend=backend)
    for label, frozen in (("forget", {"retain"}), (MIXED, set()), ("forget", {"retain"})):
        assert train_step(compiled, label, 0) == pytest.approx(train_step(eager, label, 0), rel=1e-5)
        assert_same_gradients(model, eager, frozen | {"joint"})
