"""Adapters over a quantized base on several processes: the same model as one process makes, and not one bit of the base moves."""

from __future__ import annotations

import pytest
import torch
from tests.distributed.running import MIXES, batches, on_ranks, parameters, sum_gradients, wrap
from torch import Tensor

import gradmask as gm
from quantized_standin import quantize
from tiny import tiny

GROUPS = {"forget": gm.Adapter(rank=2), "other": gm.Adapter(rank=3, targets=["mlp"])}


def trained(engine: str) -> dict[str, dict[str, Tensor]]:
    """Parameters after some steps of AdamW on this rank's part of the batches, for each mix of labels."""
    made = {}
    for mix in MIXES:
        model = gm.partition(quantize(tiny()), GROUPS, base="frozen").double().train()  # type: ignore[missing-attribute]
        ranks = wrap(model, engine)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.1)
        for batch in batches(mix, 6):
            ranks(**batch).loss.backward()
            if engine == "own":
                sum_gradients(model)
            optimizer.step()
            optimizer.zero_grad()
        made[mix] = parameters(model)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ddp", "own"])
def test_two_processes_make_what_one_makes(engine: str) -> None:
    (alone,) = on_ranks(1, trained, "own")
    untouched = dict(quantize(tiny()).double().named_parameters())
    for found in on_ranks(2, trained, engine):
        for mix, expected in alone.items():
            for name, value in expected.items():
                if name in untouched:
                    assert torch.equal(found[mix][name], untouched[name])
                else:
                    torch.testing.assert_close(found[mix][name], value, rtol=1e-9, atol=1e-11, msg=f"{mix} {name}")
