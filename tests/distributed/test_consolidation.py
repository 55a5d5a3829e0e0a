"""Consolidation on several ranks: the groups learn what one process would teach them, and nothing else moves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.distributed.running import gradients, on_ranks, parameters, partitioned, share, sum_gradients, wrap
from torch import Tensor

import gradmask as gm
from tiny import tokens


def phase(engine: str) -> tuple[dict[str, Tensor], dict[str, Tensor | None], dict[str, Tensor]]:
    """Parameters before, gradients of a second step, parameters after it; no label is given, on any rank."""
    model = partitioned()
    before = parameters(model)
    ranks: Any = wrap(model, engine) if engine else model
    with gm.consolidation(model):
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
        for seed in range(2):
            optimizer.zero_grad()
            ids = tokens(8, 9, seed=seed)
            ids = ids[share(8)] if engine else ids
            ranks(input_ids=ids, labels=ids).loss.backward()
            if engine == "own":
                sum_gradients(model)
            optimizer.step()
    return before, gradients(model), parameters(model)


@pytest.mark.parametrize("engine", ["ddp", "fsdp2", "own"])
def test_any_number_of_ranks_consolidates_the_same_model(engine: str) -> None:
    _, expected, ends = phase("")
    owner = {name: group for group, members in gm.groups(partitioned()).items() for name in members}
    for before, found, after in on_ranks(2, phase, engine):
        for name, group in owner.items():
            assert (found[name] is None) == (expected[name] is None) == (group in ("retain", "joint")), name
            assert torch.equal(before[name], after[name]) == (group in ("retain", "joint")), name
            torch.testing.assert_close(after[name], ends[name], rtol=1e-9, atol=1e-12, msg=name)
