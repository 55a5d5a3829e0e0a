"""DDP, FSDP2 and a loop of one's own: as many processes as one likes make the same model."""

from __future__ import annotations

import functools

import pytest
import torch
from tests.distributed.running import (
    MIXES,
    batches,
    on_ranks,
    parameters,
    partitioned,
    sum_gradients,
    wrap,
)
from torch import Tensor

import gradmask as gm

ENGINES = ["ddp", "fsdp2", "own"]


WEIGHTED = gm.Policy(
    "weighted",
    {
        "group": {"retain": gm.Cell(learn_weight=-0.25, pass_weight=0.5), "other": gm.Cell(0, 0)},
        "retain": {
            "own": gm.Cell(0, 0),
            "other": gm.Cell(0, 0),
            "joint": gm.Cell(0.5, 0.5, 0.5, 2.0, 2.0, draw="joint"),
        },
    },
)


def trained(engine: str, mix: str, steps: int = 20, policy: str | gm.Policy = "strict") -> dict[str, Tensor]:
    """Parameters after some steps of AdamW on this rank's part of the batches."""
    model = partitioned(policy)
    engine_model = wrap(model, engine)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    for batch in batches(mix, steps):
        engine_model(**batch).loss.backward()
        if engine == "own":
            sum_gradients(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return parameters(model)


def all_trained(engine: str) -> dict[str, dict[str, Tensor]]:
    drawing = {"gram": trained(engine, "mixed", policy="gram"), "weighted": trained(engine, "mixed", 4, WEIGHTED)}
    return {mix: trained(engine, mix) for mix in MIXES} | drawing


@functools.cache
def alone() -> dict[str, dict[str, Tensor]]:
    return on_ranks(1, all_trained, "ddp")[0]


@pytest.mark.parametrize("world", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("engine", ENGINES)
def test_as_many_processes_as_one_likes_train_the_same_model(engine: str, world: int) -> None:
    ranks = on_ranks(world, all_trained, engine)
    for mix, expected in alone().items():
        for found in ranks:
            for name, value in expected.items():
                torch.testing.assert_close(found[mix][name], value, rtol=1e-9, atol=1e-11, msg=f"{mix} {name}")


def in_float32(engine: str) -> dict[str, Tensor]:
    """All parameters, in one vector, after 20 steps in single precision."""
    found = {}
    for mix in MIXES:
        model = partitioned().float()
        ranks = wrap(model, engine)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
        for batch in batches(mix, 20):
            ranks(**batch).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        found[mix] = torch.cat([value.flatten() for value in parameters(model).values()])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("engine", ["ddp", "fsdp2"])
def test_in_single_precision_they_agree_to_a_millionth(engine: str, world: int) -> None:
    alone = on_ranks(1, in_float32, "ddp")[0]
    for rank in on_ranks(world, in_float32, engine):
        for mix, expected in alone.items():
            assert (rank[mix] - expected).norm() < 1e-6 * expected.norm(), mix
