"""What learns, and what stays bit for bit as it was, on every rank."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
import torch.distributed as dist
from tests.distributed.running import gradients, on_ranks, parameters, partitioned, shards, share, sum_gradients, wrap
from torch import Tensor, nn
from torch.distributed.fsdp import MixedPrecisionPolicy

import gradmask as gm
from tiny import tokens

ENGINES = ["ddp", "fsdp2", "own"]
TAUGHT = {
    -1: {"retain", "joint", "forget", "other"},
    0: {"retain", "joint"},
    1: {"forget", "joint"},
    2: {"other", "joint"},
}


def backward(model: nn.Module, labels: list[int], seed: int = 0) -> None:
    """This rank's part of a batch of 8, and its gradients, shared."""
    ids, mine = tokens(8, 9, seed=seed), share(8)
    model(input_ids=ids[mine], labels=ids[mine], data_labels=torch.tensor(labels)[mine]).loss.backward()


def groups_with_gradients(model: Any) -> set[str]:
    """Groups with gradients; fails where only some parameters of a group have one."""
    found = {
        group: {parameter.grad is not None for parameter in members.values()}
        for group, members in gm.groups(model).items()
    }
    assert all(len(kinds) <= 1 for kinds in found.values())
    return {group for group, kinds in found.items() if kinds == {True}}


def one_step(engine: str, labels: list[int]) -> tuple[set[str], set[str], set[str]]:
    """Groups with gradients, with moved shards, and with a moved optimizer state, after a step that follows unlabeled ones."""
    model = partitioned()
    ranks = wrap(model, engine)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    for seed, batch in enumerate(([-1] * 8, [-1] * 8, labels)):
        before, states = shards(model), [dict(optimizer.state[p]) for p in model.parameters()]
        states = [{k: v.clone() for k, v in state.items()} for state in states]
        optimizer.zero_grad()
        backward(ranks, batch, seed)
        if engine == "own":
            sum_gradients(model)
        optimizer.step()
    owner = {name: group for group, members in gm.groups(model).items() for name in members}
    moved = {owner[name] for name, shard in shards(model).items() if not torch.equal(shard, before[name])}
    changed = {
        owner[name]
        for (name, p), old in zip(model.named_parameters(), states, strict=True)
        if any(not torch.equal(local(value), local(old[key])) for key, value in optimizer.state[p].items())
    }
    return groups_with_gradients(model), moved, changed


def local(tensor: Any) -> Tensor:
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def many_steps(engine: str, cases: list[list[int]]) -> list[tuple[set[str], set[str], set[str]]]:
    return [one_step(engine, labels) for labels in cases]


CASES = [[1] * 8, [0] * 8, [2] * 8, [1] * 4 + [0] * 4, [1] * 4 + [2] * 4, [0] * 7 + [1], [1, 2] * 4, [-1] * 4 + [1] * 4]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_no_rank_teaches_is_unchanged_by_one_bit_and_what_some_rank_teaches_moves(engine: str) -> None:
    for found in on_ranks(2, many_steps, engine, CASES):
        for labels, (with_gradients, moved, changed) in zip(CASES, found, strict=True):
            taught = set().union(*(TAUGHT[label] for label in labels))
            assert with_gradients == moved == changed == taught, labels


def global_gradient(engine: str, labels: list[int]) -> dict[str, Tensor | None]:
    model = partitioned()
    backward(wrap(model, engine), labels)
    if engine == "own":
        sum_gradients(model)
    return gradients(model)


def all_gradients(engine: str) -> list[dict[str, Tensor | None]]:
    return [global_gradient(engine, labels) for labels in CASES]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_group_that_only_some_ranks_teach_gets_the_exact_global_gradient(engine: str) -> None:
    alone = on_ranks(1, all_gradients, "own")[0]
    for rank in on_ranks(2, all_gradients, engine):
        for expected, found in zip(alone, rank, strict=True):
            same(expected, found)


def same(expected: dict[str, Tensor | None], found: dict[str, Tensor | None], rtol: float = 1e-9) -> None:
    assert expected.keys() == found.keys()
    for name, grad in expected.items():
        value = found[name]
        assert (grad is None) == (value is None), name
        if grad is not None and value is not None:
            torch.testing.assert_close(value, grad, rtol=rtol, atol=1e-13, msg=name)


MICRO = [[1] * 8, [0] * 4 + [1] * 4, [2] * 4 + [1] * 4]
"""Micro-batches of one step; the last one teaches the retain group nothing, nor, elsewhere, what an earlier one taught."""


def accumulated(
    engine: str, micro: list[list[int]], checkpointing: bool = False
) -> tuple[set[str], dict[str, Tensor | None]]:
    """Gradients of several micro-batches, shared once, with the last."""
    model = partitioned()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    ranks = wrap(model, engine)
    for i, labels in enumerate(micro):
        last = i == len(micro) - 1
        if engine == "fsdp2":
            ranks.set_requires_gradient_sync(last)
        with nullcontext() if engine != "ddp" or last else ranks.no_sync():
            backward(ranks, labels, seed=i)
    if engine == "own":
        sum_gradients(model)
    return groups_with_gradients(model), gradients(model)


@pytest.mark.parametrize("checkpointing", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("engine", ENGINES)
def test_accumulation(engine: str, checkpointing: bool) -> None:
    for micro, taught in ((MICRO, {"retain", "joint", "forget", "other"}), (MICRO[:1] * 2, {"forget", "joint"})):
        _, expected = on_ranks(1, accumulated, "own", micro)[0]
        for groups, found in on_ranks(2, accumulated, engine, micro, checkpointing):
            assert groups == taught
            same(expected, found)


def two_passes(labels: list[list[int]], together: bool) -> tuple[set[str], dict[str, Tensor | None]]:
    """Under DDP, several forward passes come before one backward pass."""
    model = partitioned()
    ranks = wrap(model, "ddp")
    ids, mine = tokens(8, 9), share(8)
    losses = [
        ranks(input_ids=ids[mine], labels=ids[mine], data_labels=torch.tensor(each)[mine]).loss for each in labels
    ]
    if together:
        torch.stack(losses).sum().backward()
    else:
        for loss in losses:
            loss.backward()
    return groups_with_gradients(model), gradients(model)


def test_several_forward_passes_before_the_backward_pass() -> None:
    for labels, taught in (
        ([[1] * 8, [0] * 8], {"forget", "joint", "retain"}),
        ([[1] * 8, [2] * 8], {"forget", "joint", "other"}),
    ):
        _, expected = on_ranks(1, two_passes, labels, True)[0]
        for groups, found in on_ranks(2, two_passes, labels, True):
            assert groups == taught
            same(expected, found)


def options(**settings: Any) -> list[set[str]]:
    """What has gradients after each of some steps, under DDP's other options."""
    model = partitioned()
    ranks = wrap(model, "ddp", **settings)
    found = []
    for labels in CASES:
        backward(ranks, labels)
        found.append(groups_with_gradients(model))
        model.zero_grad()
    return found


def ddp_options() -> list[list[set[str]]]:
    settings = (
        {"static_graph": True},
        {"find_unused_parameters": True},
        {"gradient_as_bucket_view": True},
        {"bucket_cap_mb": 0.01},
    )
    return [options(**each) for each in settings]


def test_options_of_ddp() -> None:
    for rank in on_ranks(2, ddp_options):
        for found in rank:
            assert found == [set().union(*(TAUGHT[label] for label in labels)) for labels in CASES]


def half_precision(engine: str) -> list[tuple[set[str], bool]]:
    """Gradients with matrices in bfloat16: who has one, and whether what is held is still float32."""
    found = []
    for labels in CASES:
        model = partitioned().float()
        policy = {"mp_policy": MixedPrecisionPolicy(torch.bfloat16, torch.float32)} if engine == "fsdp2" else {}
        ranks = wrap(model, engine, **policy)
        with torch.autocast("cpu", torch.bfloat16) if engine != "fsdp2" else nullcontext():
            ids, mine = tokens(8, 9), share(8)
            loss = ranks(input_ids=ids[mine], labels=ids[mine], data_labels=torch.tensor(labels)[mine]).loss
        loss.backward()
        held = all(
            p.dtype == torch.float32 and (p.grad is None or p.grad.dtype == torch.float32) for p in model.parameters()
        )
        found.append((groups_with_gradients(model), held))
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_bfloat16(engine: str) -> None:
    for rank in on_ranks(2, half_precision, engine):
        assert rank == [(set().union(*(TAUGHT[label] for label in labels)), True) for labels in CASES]


def collectives(engine: str, same_labels: bool) -> list[int]:
    """All-reduces of the agreement in each of three passes: with gradients, without, and in evaluation."""
    model = partitioned()
    ranks = wrap(model, engine)
    gm.across_ranks(model, same_labels=same_labels, engine=engine != "own")
    counted, plain = [], dist.all_reduce
    dist.all_reduce = lambda *args, **kwargs: (counted.append(1), plain(*args, **kwargs))[1]
    found = []
    try:
        ids = tokens(2, 9)
        for train in (True, False):
            with torch.set_grad_enabled(train):
                ranks(input_ids=ids, labels=ids, data_labels="forget")
            found.append(len(counted))
    finally:
        dist.all_reduce = plain
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_labels_promised_to_be_the_same_save_a_collective(engine: str) -> None:
    assert on_ranks(2, collectives, engine, False) == [[1, 1]] * 2
    assert on_ranks(2, collectives, engine, True) == [[0, 0]] * 2


def removed(engine: str) -> tuple[set[str], dict[str, Tensor]]:
    """A group that was removed stays removed under an engine."""
    model = partitioned()
    gm.ablate(model, "forget")
    ranks = wrap(model, engine)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        backward(ranks, [-1] * 4 + [1] * 4)
        optimizer.step()
    names = gm.groups(model)["forget"]
    return groups_with_gradients(model), {name: p for name, p in parameters(model).items() if name in names}


@pytest.mark.parametrize("engine", ["ddp", "fsdp2"])
def test_a_removed_group_stays_zero(engine: str) -> None:
    for groups, forgotten in on_ranks(2, removed, engine):
        assert groups == {"retain", "joint", "other"}
        assert forgotten
        assert all(not value.any() for value in forgotten.values())
