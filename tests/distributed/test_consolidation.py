"""Consolidation on several ranks: the groups learn what one process would teach them, and nothing else moves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.distributed.running import gradients, on_ranks, parameters, partitioned, share, sum_gradients, wrap
from torch import Tensor

import gradmask as gm
from tiny import tokens

LABELS = torch.tensor([1, -1, 1, 1, 0, 0, -1, 0])
"""The first of two ranks has no retain text, of which the removed model would say something."""


def phase(engine: str, distillation: float) -> tuple[dict[str, Tensor], dict[str, Tensor | None], dict[str, Tensor]]:
    """Parameters before, gradients of a second step, parameters after it; no label is given, on any rank, but to distil."""
    model = partitioned()
    before = parameters(model)
    ranks: Any = wrap(model, engine) if engine else model
    with gm.consolidation(model, distillation=distillation):
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
        for seed in range(2):
            optimizer.zero_grad()
            ids = tokens(8, 9, seed=seed)
            rows = share(8) if engine else slice(None)
            labels = {"data_labels": LABELS[rows]} if distillation else {}
            ranks(input_ids=ids[rows], labels=ids[rows], **labels).loss.backward()
            if engine == "own":
                sum_gradients(model)
            optimizer.step()
    return before, gradients(model), parameters(model)


@pytest.mark.parametrize(("engine", "distillation"), [("ddp", 0.7), ("fsdp2", 0.7), ("own", 0.0)])
def test_any_number_of_ranks_consolidates_the_same_model(engine: str, distillation: float) -> None:
    _, expected, ends = phase("", distillation)
    owner = {name: group for group, members in gm.groups(partitioned()).items() for name in members}
    for before, found, after in on_ranks(2, phase, engine, distillation):
        for name, group in owner.items():
            assert (found[name] is None) == (expected[name] is None) == (group in ("retain", "joint")), name
            assert torch.equal(before[name], after[name]) == (group in ("retain", "joint")), name
            torch.testing.assert_close(after[name], ends[name], rtol=1e-9, atol=1e-12, msg=name)
